use super::*;

#[test]
fn a_seal_reads_back_as_it_was_written() {
    for seal in
        [Seal { ruleset: None }, Seal { ruleset: Some((0, u64::MAX)) }, Seal { ruleset: Some((17, 4)) }]
    {
        assert_eq!(Seal::read(&seal.text()), Some(seal));
    }
}

#[test]
fn an_alias_of_somebody_else_is_no_mark_and_half_a_seal_is_a_mark_only() {
    assert_eq!(Seal::read(""), None);
    assert_eq!(Seal::read("somebody's"), None);
    assert_eq!(Seal::read("hello-lab filter 12"), Some(Seal { ruleset: None }));
    assert_eq!(Seal::read("hello-lab filter 12 zz"), Some(Seal { ruleset: None }));
}
