//! The words of pet names.

use super::draw::Source;

const ADVERBS: &[&str] = &[
    "boldly", "briefly", "calmly", "clearly", "evenly", "fairly", "firmly", "freely", "gently", "gladly",
    "highly", "justly", "kindly", "lightly", "nicely", "openly", "partly", "quickly", "rarely", "safely",
    "sharply", "simply", "slowly", "softly", "surely", "truly", "warmly", "wholly", "widely", "wisely",
];
const ADJECTIVES: &[&str] = &[
    "able", "agile", "alert", "ample", "apt", "brave", "brief", "bright", "calm", "clever", "cool", "crisp",
    "eager", "early", "exact", "fair", "fast", "fine", "firm", "fresh", "gentle", "glad", "grand", "happy",
    "humble", "keen", "kind", "light", "lively", "loyal", "lucky", "mild", "neat", "noble", "open",
    "patient", "plain", "polite", "prime", "proud", "quick", "quiet", "rapid", "ready", "robust", "sharp",
    "shiny", "smart", "smooth", "solid", "sound", "stable", "steady", "strong", "sturdy", "sunny", "sweet",
    "swift", "tidy", "true", "vivid", "warm", "wise", "witty",
];
const NAMES: &[&str] = &[
    "alpaca", "ant", "badger", "bat", "bear", "beaver", "bee", "bison", "bobcat", "buffalo", "camel", "cat",
    "cheetah", "cobra", "condor", "cougar", "crane", "cricket", "crow", "deer", "dingo", "dog", "dolphin",
    "donkey", "dove", "duck", "eagle", "eel", "elk", "falcon", "ferret", "finch", "fox", "frog", "gazelle",
    "gecko", "gibbon", "giraffe", "goat", "goose", "gopher", "hamster", "hare", "hawk", "heron", "horse",
    "ibex", "iguana", "jackal", "jaguar", "kiwi", "koala", "lark", "lemur", "lion", "lizard", "llama",
    "lobster", "lynx", "magpie", "marmot", "mole", "moose", "moth", "mule", "newt", "ocelot", "octopus",
    "orca", "osprey", "otter", "owl", "ox", "panda", "parrot", "pelican", "penguin", "pigeon", "pony",
    "puffin", "puma", "quail", "rabbit", "raccoon", "ram", "raven", "robin", "salmon", "seal", "shark",
    "sheep", "shrimp", "skunk", "sloth", "snail", "sparrow", "spider", "squid", "stork", "swan", "tapir",
    "tiger", "toad", "trout", "turtle", "viper", "walrus", "whale", "wolf", "wombat", "yak", "zebra",
];

/// `count` words: adverbs, an adjective, an animal.
pub(super) fn pet(source: &mut Source, count: usize) -> Vec<&'static str> {
    let mut words = Vec::with_capacity(count);
    for place in (0..count).rev() {
        let list = match place {
            0 => NAMES,
            1 => ADJECTIVES,
            _ => ADVERBS,
        };
        words.push(list[source.below(list.len())]);
    }
    words
}
