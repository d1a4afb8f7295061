//! The properties. Each takes an empty store of its own.

use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use hello_you::domain::{BirthDate, Username};
use hello_you::store::{Deleted, Put, Store, User};
use tokio::task::JoinSet;

fn name(text: &str) -> Username {
    Username::parse(text).unwrap()
}

/// A name of its own for each number; in letters, since digits are none.
fn numbered(prefix: &str, number: u32) -> Username {
    let letters: String = number.to_string().bytes().map(|digit| char::from(b'a' + (digit - b'0'))).collect();
    name(&format!("{prefix}{letters}"))
}

fn date(text: &str) -> BirthDate {
    BirthDate::parse(text).unwrap()
}

/// A date of its own for each number.
fn dated(number: u32) -> BirthDate {
    BirthDate::from_days_since_unix_epoch(number.cast_signed()).unwrap()
}

async fn create<S: Store>(store: &S, username: &Username, date_of_birth: BirthDate) {
    assert_eq!(store.put(username, date_of_birth).await.unwrap().outcome, Put::Created);
}

/// Every user there is, as pages of that size show them.
async fn all_pages<S: Store>(store: &S, limit: usize) -> Vec<User> {
    let mut users: Vec<User> = Vec::new();
    loop {
        let page = store.page(users.last().map(|user| &user.username), limit).await.unwrap();
        assert!(page.len() <= limit);
        if page.is_empty() {
            return users;
        }
        users.extend(page);
    }
}

pub(crate) async fn a_user_never_stored_is_not_found<S: Store>(store: S) {
    assert_eq!(store.find(&name("Ana"), None).await.unwrap(), None);
    create(&store, &name("Anna"), date("1990-06-15")).await;
    assert_eq!(store.find(&name("Ana"), None).await.unwrap(), None);
    assert_eq!(store.delete(&name("Ana")).await.unwrap().outcome, Deleted::NotFound);
}

pub(crate) async fn the_first_write_creates_and_the_next_one_changes<S: Store>(store: S) {
    let ana = name("Ana");
    create(&store, &ana, date("1990-06-15")).await;
    let changed = store.put(&ana, date("1991-07-16")).await.unwrap();
    assert_eq!(changed.outcome, Put::Changed);
    let unchanged = store.put(&ana, date("1991-07-16")).await.unwrap();
    assert_eq!(unchanged.outcome, Put::Changed, "the same date again is a change of an existing user");
    assert_eq!(store.find(&ana, unchanged.position).await.unwrap(), Some(date("1991-07-16")));
}

pub(crate) async fn of_several_writes_the_last_one_wins<S: Store + Clone + 'static>(store: S) {
    // Tasks of one thread begin in the order in which they are spawned, so the writes arrive in order.
    let writes: Vec<_> = (0..40)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.put(&name("Ana"), dated(number)).await.unwrap() })
        })
        .collect();
    let mut outcomes = Vec::new();
    let mut position = None;
    for write in writes {
        let written = write.await.unwrap();
        outcomes.push(written.outcome);
        position = written.position;
    }
    assert_eq!(outcomes[0], Put::Created);
    assert!(outcomes[1..].iter().all(|outcome| *outcome == Put::Changed), "{outcomes:?}");
    assert_eq!(store.find(&name("Ana"), position).await.unwrap(), Some(dated(39)));
}

pub(crate) async fn of_many_first_writes_at_once_exactly_one_creates<S: Store + Clone + 'static>(store: S) {
    let mut writes = JoinSet::new();
    for number in 0..200 {
        let store = store.clone();
        writes.spawn(async move { store.put(&name("Ana"), dated(number)).await.unwrap().outcome });
    }
    let outcomes = writes.join_all().await;
    assert_eq!(outcomes.len(), 200);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Put::Created).count(), 1);
}

pub(crate) async fn an_acknowledged_write_is_seen_by_the_next_read<S: Store + Clone + 'static>(store: S) {
    let mut tasks = JoinSet::new();
    for task in 0..32 {
        let store = store.clone();
        tasks.spawn(async move {
            let username = numbered("Ana", task);
            for round in 0..10 {
                let written = store.put(&username, dated(task * 10 + round)).await.unwrap();
                let found = store.find(&username, written.position).await.unwrap();
                assert_eq!(found, Some(dated(task * 10 + round)), "task {task}, round {round}");
            }
        });
    }
    tasks.join_all().await;
}

pub(crate) async fn a_deleted_user_is_gone_and_can_come_back<S: Store>(store: S) {
    let ana = name("Ana");
    create(&store, &ana, date("1990-06-15")).await;
    create(&store, &name("Bea"), date("1992-01-01")).await;
    let gone = store.delete(&ana).await.unwrap();
    assert_eq!(gone.outcome, Deleted::Gone);
    assert_eq!(store.find(&ana, gone.position).await.unwrap(), None);
    assert_eq!(store.delete(&ana).await.unwrap().outcome, Deleted::NotFound);
    let bea = store.find(&name("Bea"), gone.position).await.unwrap();
    assert_eq!(bea, Some(date("1992-01-01")), "others stay");
    create(&store, &ana, date("1991-07-16")).await;
}

pub(crate) async fn of_many_deletes_at_once_exactly_one_finds_the_user<S: Store + Clone + 'static>(store: S) {
    create(&store, &name("Ana"), date("1990-06-15")).await;
    let mut deletes = JoinSet::new();
    for _ in 0..50 {
        let store = store.clone();
        deletes.spawn(async move { store.delete(&name("Ana")).await.unwrap().outcome });
    }
    let outcomes = deletes.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Deleted::Gone).count(), 1);
}

pub(crate) async fn names_that_differ_in_case_are_different_users<S: Store>(store: S) {
    for (spelling, day) in [("ana", "1990-01-01"), ("Ana", "1990-01-02"), ("ANA", "1990-01-03")] {
        create(&store, &name(spelling), date(day)).await;
    }
    let page = store.page(None, 10).await.unwrap();
    let names: Vec<_> = page.iter().map(|user| user.username.as_str()).collect();
    assert_eq!(names, ["ANA", "Ana", "ana"]);
}

pub(crate) async fn names_of_fifty_long_characters_are_kept<S: Store>(store: S) {
    // Deseret, Gothic, and Han outside the basic plane: four bytes a character.
    for character in ['\u{10437}', '\u{10330}', '\u{20000}'] {
        let longest = name(&character.to_string().repeat(50));
        assert_eq!(longest.as_str().len(), 200);
        create(&store, &longest, date("1990-06-15")).await;
        let changed = store.put(&longest, date("1991-07-16")).await.unwrap();
        assert_eq!(changed.outcome, Put::Changed);
        assert_eq!(store.find(&longest, changed.position).await.unwrap(), Some(date("1991-07-16")));
        let shorter = name(&character.to_string().repeat(49));
        assert_eq!(store.find(&shorter, changed.position).await.unwrap(), None);
    }
}

pub(crate) async fn the_first_and_the_last_day_of_the_calendar_are_kept<S: Store>(store: S) {
    for (username, day) in [("First", "0001-01-01"), ("Last", "9999-12-31"), ("Epoch", "1970-01-01")] {
        let written = store.put(&name(username), date(day)).await.unwrap();
        assert_eq!(store.find(&name(username), written.position).await.unwrap(), Some(date(day)));
    }
    let page = store.page(None, 10).await.unwrap();
    let days: Vec<_> = page.iter().map(|user| user.date_of_birth.to_string()).collect();
    assert_eq!(days, ["1970-01-01", "0001-01-01", "9999-12-31"]);
}

pub(crate) async fn pages_come_in_the_order_of_the_names_bytes<S: Store>(store: S) {
    // In this order: ASCII capitals before small letters, a name before its continuation, then Latin with diacritics,
    // Cyrillic, Hebrew, Devanagari, Thai, Han, and last the characters of four bytes.
    let in_order = [
        "Ana",
        "Anabel",
        "Zoe",
        "ana",
        "zoe",
        "Ólafur",
        "Łukasz",
        "Мария",
        "יוסף",
        "अनिल",
        "สมชาย",
        "李雷",
        "\u{fb20}",
        "\u{10330}",
        "\u{20000}",
    ];
    for username in in_order.iter().rev() {
        create(&store, &name(username), date("1990-06-15")).await;
    }
    for limit in [1, 2, 3, 7, 100] {
        let users = all_pages(&store, limit).await;
        let names: Vec<_> = users.iter().map(|user| user.username.as_str()).collect();
        assert_eq!(names, in_order, "in pages of {limit}");
    }
}

pub(crate) async fn pages_are_stable_while_others_write<S: Store + Clone + 'static>(store: S) {
    let mut stays = BTreeMap::new();
    let mut writes = JoinSet::new();
    for number in 0..200 {
        let username = numbered("Stays", number);
        stays.insert(username.clone(), dated(number));
        let store = store.clone();
        writes.spawn(async move { store.put(&username, dated(number)).await.unwrap() });
    }
    writes.join_all().await;
    let mut others = JoinSet::new();
    for task in 0..4 {
        let store = store.clone();
        others.spawn(async move {
            for round in 0..15 {
                for prefix in ["Comes", "Stays", "Zebra"] {
                    let username = numbered(&format!("{prefix}x"), task * 100 + round);
                    store.put(&username, dated(round)).await.unwrap();
                    if round % 2 == 0 {
                        store.delete(&username).await.unwrap();
                    }
                }
            }
        });
    }
    while !others.is_empty() {
        let seen = all_pages(&store, 13).await;
        assert!(seen.is_sorted_by(|a, b| a.username.as_str().as_bytes() < b.username.as_str().as_bytes()));
        let seen_of_old: BTreeMap<_, _> = seen
            .into_iter()
            .filter(|user| stays.contains_key(&user.username))
            .map(|user| (user.username, user.date_of_birth))
            .collect();
        assert!(seen_of_old == stays, "a user who was there all the time is on exactly one page");
        while let Some(ended) = others.try_join_next() {
            ended.unwrap();
        }
    }
}

pub(crate) async fn a_page_keeps_to_its_limit<S: Store>(store: S) {
    assert_eq!(store.page(None, 100).await.unwrap(), []);
    for username in ["Ana", "Bea", "Cleo"] {
        create(&store, &name(username), date("1990-06-15")).await;
    }
    let cases: [(Option<&str>, usize, &[&str]); 9] = [
        (None, 0, &[]),
        (None, 1, &["Ana"]),
        (None, 2, &["Ana", "Bea"]),
        (None, 3, &["Ana", "Bea", "Cleo"]),
        (None, 1000, &["Ana", "Bea", "Cleo"]),
        (Some("Ana"), 1000, &["Bea", "Cleo"]),
        (Some("Anna"), 1, &["Bea"]),
        (Some("Cleo"), 1000, &[]),
        (Some("Zoe"), 1000, &[]),
    ];
    for (after, limit, expected) in cases {
        let page = store.page(after.map(name).as_ref(), limit).await.unwrap();
        let names: Vec<_> = page.iter().map(|user| user.username.as_str()).collect();
        assert_eq!(names, expected, "{limit} after {after:?}");
    }
}

pub(crate) async fn abandoned_calls_do_not_harm_their_neighbours<S: Store + Clone + 'static>(store: S) {
    for round in 0..10 {
        let mut neighbours = JoinSet::new();
        for number in 0..20 {
            let username = numbered("Ana", round * 20 + number);
            abandon_each_call(&store, &numbered("Gone", number));
            let store = store.clone();
            neighbours.spawn(async move {
                let written = store.put(&username, dated(number)).await.unwrap();
                assert_eq!(written.outcome, Put::Created);
                let found = store.find(&username, written.position).await.unwrap();
                assert_eq!(found, Some(dated(number)));
                assert_eq!(store.delete(&username).await.unwrap().outcome, Deleted::Gone);
            });
            tokio::task::yield_now().await;
        }
        neighbours.join_all().await;
    }
}

/// Begins each kind of call and drops it before its answer.
fn abandon_each_call<S: Store>(store: &S, username: &Username) {
    begin_and_drop(store.put(username, dated(1)));
    begin_and_drop(store.find(username, None));
    begin_and_drop(store.page(None, 10));
    begin_and_drop(store.delete(username));
}

fn begin_and_drop<T>(call: impl Future<Output = T>) {
    let answered: Poll<T> = pin!(call).poll(&mut Context::from_waker(Waker::noop()));
    drop(answered);
}

pub(crate) async fn many_tasks_at_once_each_get_their_own_answers<S: Store + Clone + 'static>(store: S) {
    let mut tasks = JoinSet::new();
    for task in 0..100 {
        let store = store.clone();
        tasks.spawn(async move {
            let mine = numbered("Mine", task);
            let shared = numbered("Shared", task % 5);
            for round in 0..5 {
                create(&store, &mine, dated(task)).await;
                store.put(&shared, dated(round)).await.unwrap();
                let changed = store.put(&mine, dated(task + round)).await.unwrap();
                assert_eq!(changed.outcome, Put::Changed);
                let found = store.find(&mine, changed.position).await.unwrap();
                assert_eq!(found, Some(dated(task + round)));
                if round < 4 {
                    assert_eq!(store.delete(&mine).await.unwrap().outcome, Deleted::Gone);
                }
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(all_pages(&store, 1000).await.len(), 105);
}
