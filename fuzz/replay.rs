//! The committed inputs of a fuzz target, and seeded changes of them, handed to its function: what `cargo test` does with a
//! target in a second or two. Each crate that has targets includes this file in its tests.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Changed inputs, unless `OKTABUS_SEEDS` says how many.
const CHANGED_DEFAULT: u64 = 2_000;
/// What grows beyond this is cut.
const INPUT_BYTES_MAX: usize = 16 << 10;
/// Pieces that mean something to one target or another.
const PIECES: [&str; 28] = [
    "\"",
    "\\",
    "\\u",
    "\\ud800",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\n",
    "\n\n",
    "null",
    "1e999",
    "-0.0",
    "\u{feff}",
    "é",
    "\0",
    "\"\":",
    "<",
    ">",
    ";",
    "=",
    "(",
    ")",
    "{org}",
    "*",
    "18446744073709551616",
];

/// Calls `run` with each committed input of `target`, and with changes of them.
pub(super) fn replay(target: &str, run: impl Fn(&[u8])) {
    let inputs = inputs(target);
    let call = |input: &[u8]| {
        let told = ToldIfItPanics { target, input };
        run(input);
        drop(told);
    };
    inputs.iter().for_each(|input| call(input));
    let changed = std::env::var("OKTABUS_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    for seed in 0..changed.unwrap_or(CHANGED_DEFAULT) {
        call(&changed_input(&inputs, &mut Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)));
    }
}

/// The committed inputs, in the order of their names.
fn inputs(target: &str) -> Vec<Vec<u8>> {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let folder = folders.map(|folder| folder.join("fuzz/corpus").join(target)).find(|folder| folder.is_dir());
    let folder = folder.unwrap_or_else(|| panic!("there are no inputs of {target} in fuzz/corpus"));
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "there are no inputs of {target}");
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// One of the inputs, changed in a few places.
fn changed_input(inputs: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = inputs[random.below(inputs.len())].clone();
    for _ in 0..=random.below(4) {
        let (from, to) = random.range(input.len());
        match random.below(6) {
            0 => drop(input.drain(from..to)),
            1 => drop(input.splice(from..from, input[from..to].to_vec())),
            2 => drop(input.splice(from..from, PIECES[random.below(PIECES.len())].bytes())),
            3 => drop(input.splice(from..to, PIECES[random.below(PIECES.len())].bytes())),
            4 => {
                let other = &inputs[random.below(inputs.len())];
                let (start, end) = random.range(other.len());
                drop(input.splice(from..to, other[start..end].iter().copied()));
            }
            _ => {
                if let Some(byte) = input.get_mut(from) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
        input.truncate(INPUT_BYTES_MAX);
    }
    input
}

/// xorshift64: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % end.max(1)
    }

    /// A short range within `length`.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let from = self.below(length + 1);
        (from, (from + self.below(32)).min(length))
    }
}

/// Shows the input that broke a promise.
struct ToldIfItPanics<'a> {
    target: &'a str,
    input: &'a [u8],
}

impl Drop for ToldIfItPanics<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the input of `{}` was b\"{}\"", self.target, self.input.escape_ascii());
        }
    }
}
