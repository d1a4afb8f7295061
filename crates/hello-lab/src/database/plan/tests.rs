use super::*;

/// A primary that is as it should be.
fn sound() -> Facts {
    Facts {
        should_run: true,
        rebooting: false,
        should_follow: false,
        volume: VolumeFacts::Ready,
        is_full: false,
        has_data: true,
        missing_namespace: None,
        moved: false,
        server: up(Ok(Role::Primary)),
        is_configured: true,
        is_prepared: true,
        is_synced: true,
        link: None,
    }
}

fn up(answer: Result<Role, String>) -> Server {
    Server::Up { inside: true, answer, accepts: Ok(()) }
}

fn replica() -> Facts {
    Facts { should_follow: true, server: up(Ok(Role::Standby)), link: Some(Link::Sound), ..sound() }
}

#[test]
fn what_is_as_it_should_be_is_left_alone() {
    assert_eq!(next(&sound()), Next::Rest(Status::Available));
    assert_eq!(next(&replica()), Next::Rest(Status::Available));
    assert_eq!(
        next(&Facts { link: None, ..replica() }),
        Next::Rest(Status::Available),
        "its source may be down"
    );
    let stopped = Facts { should_run: false, server: Server::Down, ..sound() };
    assert_eq!(next(&stopped), Next::Rest(Status::Stopped));
}

#[test]
fn a_new_instance_is_made_in_order() {
    let nothing = Facts {
        volume: VolumeFacts::Missing,
        has_data: false,
        server: Server::Down,
        is_configured: false,
        is_prepared: false,
        is_synced: false,
        ..sound()
    };
    let mut facts = nothing.clone();
    let mut steps = Vec::new();
    while let Next::Do(step) = next(&facts) {
        steps.push(step);
        match step {
            Step::MakeVolume => facts.volume = VolumeFacts::Ready,
            Step::MakeData => facts.has_data = true,
            Step::Start => {
                facts.server = up(Ok(Role::Primary));
                facts.is_configured = true;
            }
            Step::Prepare => facts.is_prepared = true,
            Step::Sync => facts.is_synced = true,
            other => panic!("{other:?} after {steps:?}"),
        }
    }
    assert_eq!(steps, [Step::MakeVolume, Step::MakeData, Step::Start, Step::Prepare, Step::Sync]);
    assert_eq!(next(&facts), Next::Rest(Status::Available));
    let unwanted = Facts { should_run: false, ..nothing };
    assert_eq!(next(&unwanted), Next::Rest(Status::Stopped), "what should not run is not made");
}

#[test]
fn each_difference_has_its_step() {
    let down = Facts { server: Server::Down, ..sound() };
    let table = [
        ("crashed", Facts { ..down.clone() }, Step::Start),
        ("crashed and not gone yet", Facts { server: Server::Remains, ..sound() }, Step::Clear),
        (
            "after a boot of the machine",
            Facts { volume: VolumeFacts::Unmounted, ..down.clone() },
            Step::Mount,
        ),
        ("unmounted by force", Facts { volume: VolumeFacts::Unmounted, ..sound() }, Step::Stop),
        ("to be stopped", Facts { should_run: false, ..sound() }, Step::Stop),
        ("to be rebooted", Facts { rebooting: true, ..sound() }, Step::Stop),
        ("at another address", Facts { moved: true, ..sound() }, Step::Stop),
        (
            "in a namespace that is gone",
            Facts {
                server: Server::Up { inside: false, answer: Ok(Role::Primary), accepts: Ok(()) },
                ..sound()
            },
            Step::Stop,
        ),
        ("without its data", Facts { has_data: false, ..sound() }, Step::Stop),
        ("with more storage", Facts { volume: VolumeFacts::Small, ..sound() }, Step::Grow),
        ("with other parameters", Facts { is_configured: false, ..sound() }, Step::Reconfigure),
        ("with another password", Facts { is_prepared: false, ..sound() }, Step::Prepare),
        ("to be promoted", Facts { should_follow: false, ..replica() }, Step::Promote),
        ("promoted by hand", Facts { server: up(Ok(Role::Primary)), ..replica() }, Step::NotePromotion),
        ("without its slot", Facts { link: Some(Link::NoSlot), ..replica() }, Step::MakeSlot),
        ("left behind", Facts { link: Some(Link::Broken("lost".to_owned())), ..replica() }, Step::Discard),
    ];
    for (situation, facts, step) in table {
        assert_eq!(next(&facts), Next::Do(step), "{situation}");
    }
}

#[test]
fn a_server_that_does_not_answer_is_never_touched() {
    let silent = Facts { server: up(Err("no answer".to_owned())), is_configured: false, ..sound() };
    assert_eq!(next(&silent), Next::Rest(Status::Failed("no answer".to_owned())));
    assert_eq!(next(&Facts { is_full: true, ..silent }), Next::Rest(Status::StorageFull));
}

#[test]
fn a_full_storage_is_told_whether_its_server_answers_or_not() {
    let full = Facts { is_full: true, ..sound() };
    assert_eq!(next(&full), Next::Rest(Status::StorageFull));
    let down = Facts { server: Server::Down, ..full.clone() };
    assert_eq!(next(&down), Next::Rest(Status::StorageFull), "a start would fail again and again");
    assert_eq!(next(&Facts { should_run: false, ..down.clone() }), Next::Rest(Status::Stopped));
    let larger = Facts { volume: VolumeFacts::Small, ..down };
    assert_eq!(next(&larger), Next::Do(Step::Grow), "more storage is the way out");
    let configured = Facts { is_configured: false, ..full };
    assert_eq!(next(&configured), Next::Do(Step::Reconfigure), "its configuration lies elsewhere");
}

#[test]
fn a_replica_has_nothing_to_prepare() {
    assert_eq!(next(&Facts { is_prepared: false, ..replica() }), Next::Rest(Status::Available));
}

#[test]
fn it_is_not_available_before_its_address_accepts() {
    let server = Server::Up { inside: true, answer: Ok(Role::Primary), accepts: Err("refused".to_owned()) };
    assert_eq!(next(&Facts { server, ..sound() }), Next::Rest(Status::Failed("refused".to_owned())));
}

#[test]
fn without_its_namespace_nothing_is_started() {
    let facts = Facts { server: Server::Down, missing_namespace: Some("ns".to_owned()), ..sound() };
    assert_eq!(next(&facts), Next::Rest(Status::Failed("its namespace ns is not there".to_owned())));
}
