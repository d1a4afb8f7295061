use super::*;

const A: SystemId = SystemId(7_000_000_000_000_000_001);
const B: SystemId = SystemId(7_000_000_000_000_000_002);
const MAX_LAG: Duration = Duration::from_secs(30);

fn report(role: Role, system_id: SystemId, timeline: u32, lsn: u64) -> Report {
    Report {
        status: NodeStatus {
            role,
            system_id: Some(system_id),
            timeline: Some(Timeline(timeline)),
            lsn: Lsn(lsn),
            received_lsn: None,
            replay_age: None,
            read_only: role == Role::Standby,
            server_version_num: 150_018,
        },
        recorded_timeline: None,
        lag: (role == Role::Standby).then_some(Duration::ZERO),
        has_schema: true,
    }
}

fn near(report: Report) -> HostView {
    HostView { nearness: Nearness::Near, state: HostState::Answering(report) }
}

fn far(report: Report) -> HostView {
    HostView { nearness: Nearness::Far, state: HostState::Answering(report) }
}

fn down() -> HostView {
    HostView { nearness: Nearness::Near, state: HostState::Unreachable }
}

fn primary(timeline: u32) -> Report {
    report(Role::Primary, A, timeline, 1000)
}

fn standby(timeline: u32) -> Report {
    report(Role::Standby, A, timeline, 900)
}

fn seen(timeline: u32) -> Epoch {
    Epoch { system_id: Some(A), timeline: Some(Timeline(timeline)) }
}

fn decide_fresh(hosts: &[HostView]) -> Topology {
    decide(hosts, Epoch::default(), MAX_LAG)
}

fn reader_hosts(topology: &Topology) -> Vec<usize> {
    topology.readers.iter().map(|reader| reader.host.0).collect()
}

#[test]
fn a_primary_alone_is_written_to_and_read_from() {
    let topology = decide_fresh(&[near(primary(1))]);
    assert_eq!(topology.writer, Some(HostId(0)));
    assert_eq!(topology.writes, Some(WriteTarget::Primary));
    assert_eq!(topology.reads, Some(ReadSource::Primary));
    assert_eq!(topology.readers, [Reader { host: HostId(0), replayed: None }]);
    assert_eq!(topology.epoch, seen(1));
    assert!(topology.settled && !topology.fenced);
    assert!(topology.reasons.is_empty());
}

#[test]
fn reads_go_to_the_replicas_with_the_primary_as_fall_back() {
    let topology = decide_fresh(&[near(primary(1)), near(standby(1)), near(standby(1))]);
    assert_eq!(topology.reads, Some(ReadSource::Replica));
    assert_eq!(reader_hosts(&topology), [1, 2, 0]);
    assert_eq!(topology.preferred, 2);
    assert_eq!(topology.readers[0].replayed, Some(Lsn(900)));
}

#[test]
fn without_a_primary_reads_go_on_and_writes_do_not() {
    let topology = decide_fresh(&[down(), near(standby(1))]);
    assert_eq!(topology.writer, None);
    assert_eq!(topology.reads, Some(ReadSource::Replica));
    assert_eq!(topology.reasons, [NO_WRITER]);
}

#[test]
fn nothing_is_settled_before_every_host_was_asked() {
    let unknown = HostView { nearness: Nearness::Near, state: HostState::Unknown };
    assert!(!decide_fresh(&[near(primary(1)), unknown]).settled);
    let topology = decide_fresh(&[down(), down()]);
    assert!(topology.settled);
    assert_eq!(topology.reasons, [NO_WRITER, NO_READER]);
}

#[test]
fn the_promoted_replica_is_followed_and_the_old_primary_fenced() {
    let topology = decide(&[near(primary(1)), near(primary(2))], seen(1), MAX_LAG);
    assert_eq!(topology.writer, Some(HostId(1)));
    assert_eq!(reader_hosts(&topology), [1]);
    assert_eq!(topology.epoch, seen(2));
    assert_eq!(topology.reasons, [FENCED]);
    assert!(!topology.fenced, "the region still has a usable host");
}

#[test]
fn an_old_primary_that_comes_back_alone_is_neither_written_to_nor_read_from() {
    let topology = decide(&[near(primary(1)), down()], seen(2), MAX_LAG);
    assert_eq!(topology.writer, None);
    assert!(topology.readers.is_empty());
    assert!(topology.fenced);
    assert_eq!(topology.epoch, seen(2), "what was seen once is never forgotten");
}

#[test]
fn a_replica_of_the_old_primary_is_fenced_too() {
    let topology = decide(&[near(primary(1)), near(standby(1))], seen(2), MAX_LAG);
    assert!(topology.readers.is_empty());
    assert!(topology.fenced);
}

#[test]
fn a_timeline_recorded_in_any_database_counts_as_seen() {
    let mut replica = standby(1);
    replica.recorded_timeline = Some(Timeline(3));
    let topology = decide_fresh(&[near(primary(1)), near(replica)]);
    assert_eq!(topology.writer, None);
    assert_eq!(topology.epoch, seen(3));
    assert_eq!(reader_hosts(&topology), [1], "it has replayed the row, so it is on that timeline");
}

#[test]
fn a_replica_whose_control_file_lags_is_used_once_it_has_replayed_the_epoch() {
    let mut replica = standby(1);
    let before = decide_fresh(&[near(primary(2)), near(replica.clone())]);
    assert_eq!(reader_hosts(&before), [0]);
    replica.recorded_timeline = Some(Timeline(2));
    let after = decide_fresh(&[near(primary(2)), near(replica)]);
    assert_eq!(reader_hosts(&after), [1, 0]);
}

#[test]
fn a_primary_cannot_lift_its_own_timeline_by_a_row() {
    let mut old = primary(1);
    old.recorded_timeline = Some(Timeline(2));
    let topology = decide_fresh(&[near(old)]);
    assert_eq!(topology.writer, None);
    assert!(topology.fenced);
}

#[test]
fn a_demanded_timeline_fences_a_fresh_process_from_the_old_primary() {
    let demanded = Epoch { system_id: None, timeline: Some(Timeline(2)) };
    assert_eq!(decide(&[near(primary(1))], demanded, MAX_LAG).writer, None);
    assert_eq!(decide(&[near(primary(2))], demanded, MAX_LAG).writer, Some(HostId(0)));
}

#[test]
fn two_writers_on_one_timeline_stop_all_writes() {
    let topology = decide(&[near(primary(2)), near(primary(2))], seen(1), MAX_LAG);
    assert_eq!(topology.writer, None);
    assert_eq!(topology.reasons, [TWO_WRITERS]);
}

#[test]
fn two_systems_at_first_sight_stop_all_writes_as_long_as_both_answer() {
    let hosts = [near(primary(1)), near(report(Role::Primary, B, 5, 10))];
    let mut memory = Epoch::default();
    for _ in 0..3 {
        let topology = decide(&hosts, memory, MAX_LAG);
        assert_eq!(topology.writer, None);
        assert!(topology.reasons.contains(&TWO_SYSTEMS));
        memory = topology.epoch;
    }
}

#[test]
fn the_first_host_to_answer_does_not_decide_which_database_is_ours() {
    let unknown = HostView { nearness: Nearness::Near, state: HostState::Unknown };
    let first = decide_fresh(&[near(primary(1)), unknown]);
    assert_eq!((first.writer, first.epoch), (None, Epoch::default()));
    let then = decide(&[near(primary(1)), near(report(Role::Primary, B, 5, 10))], first.epoch, MAX_LAG);
    assert_eq!(then.writer, None);
    assert!(then.reasons.contains(&TWO_SYSTEMS));
}

#[test]
fn a_second_system_is_left_aside_while_the_remembered_one_answers() {
    let topology = decide(&[near(primary(1)), near(report(Role::Primary, B, 5, 10))], seen(1), MAX_LAG);
    assert_eq!(topology.writer, Some(HostId(0)));
    assert_eq!(topology.reasons, [FOREIGN]);
    assert_eq!(topology.epoch, seen(1));
}

#[test]
fn a_new_system_is_accepted_when_the_remembered_one_is_gone() {
    let topology = decide(&[near(report(Role::Primary, B, 1, 10)), down()], seen(7), MAX_LAG);
    assert_eq!(topology.writer, Some(HostId(0)));
    assert_eq!(topology.epoch, Epoch { system_id: Some(B), timeline: Some(Timeline(1)) });
}

#[test]
fn an_outage_of_all_hosts_forgets_nothing() {
    assert_eq!(decide(&[down(), down()], seen(4), MAX_LAG).epoch, seen(4));
}

#[test]
fn a_read_only_primary_is_read_from_but_not_written_to() {
    let mut read_only = primary(1);
    read_only.status.read_only = true;
    let topology = decide_fresh(&[near(read_only)]);
    assert_eq!(topology.writer, None);
    assert_eq!(topology.reads, Some(ReadSource::Primary));
    assert_eq!(topology.reasons, [READ_ONLY, NO_WRITER]);
}

#[test]
fn a_replica_far_behind_comes_after_the_primary() {
    let mut behind = standby(1);
    behind.lag = Some(MAX_LAG * 2);
    assert_eq!(reader_hosts(&decide_fresh(&[near(primary(1)), near(behind.clone())])), [0, 1]);
    assert_eq!(decide_fresh(&[down(), near(behind)]).reads, Some(ReadSource::Replica));
}

#[test]
fn far_hosts_are_written_to_when_the_primary_is_there_and_read_from_last() {
    let both = decide_fresh(&[near(standby(1)), far(primary(1))]);
    assert_eq!(both.writes, Some(WriteTarget::Far));
    assert_eq!(both.reads, Some(ReadSource::Replica));
    assert_eq!(reader_hosts(&both), [0, 1]);
    let only_far = decide_fresh(&[down(), far(primary(1))]);
    assert_eq!(only_far.reads, Some(ReadSource::Far));
}

#[test]
fn a_region_whose_database_was_left_behind_is_fenced_although_the_far_one_serves() {
    let topology = decide(&[near(primary(1)), far(primary(2))], seen(1), MAX_LAG);
    assert_eq!(topology.writes, Some(WriteTarget::Far));
    assert!(topology.fenced);
}

#[test]
fn a_host_without_the_schema_is_written_to_but_not_read_from() {
    let mut empty = primary(1);
    empty.has_schema = false;
    let topology = decide_fresh(&[near(empty)]);
    assert_eq!(topology.writer, Some(HostId(0)), "the migrations run there");
    assert_eq!(topology.reads, None);
    assert_eq!(topology.reasons, [NO_SCHEMA, NO_READER]);
}

#[test]
fn a_standby_that_hides_its_timeline_is_left_aside() {
    let mut hidden = standby(1);
    hidden.status.timeline = None;
    let topology = decide_fresh(&[near(primary(1)), near(hidden)]);
    assert_eq!(reader_hosts(&topology), [0]);
    assert_eq!(topology.reasons, [UNKNOWN_TIMELINE]);
}

#[test]
fn a_standby_is_known_to_have_what_it_had_replayed_and_the_primary_everything() {
    let topology = decide_fresh(&[near(primary(1)), near(standby(1))]);
    let (replica, primary) = (topology.reader(HostId(1)).unwrap(), topology.reader(HostId(0)).unwrap());
    assert!(replica.is_known_to_have(None) && replica.is_known_to_have(Some(Lsn(900))));
    assert!(!replica.is_known_to_have(Some(Lsn(901))));
    assert!(primary.is_known_to_have(Some(Lsn(901))));
    assert!(topology.preferred_have_replayed(Some(Lsn(900))));
    assert!(!topology.preferred_have_replayed(Some(Lsn(901))), "the replica alone shares the load");
}
