//! A corpus in one file: an input a line, with all but plain characters escaped.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use anyhow::{Context, Result, anyhow};

/// Writes every input of a packed corpus into a file of its own, beside those that are there.
pub(crate) fn unpack(packed: &Path, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    let text = match fs::read_to_string(packed) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        text => text.with_context(|| packed.display().to_string())?,
    };
    for (index, line) in text.lines().enumerate() {
        let input = escape_bytes::unescape(line.as_bytes())
            .map_err(|error| anyhow!("line {} of {}: {error:?}", index + 1, packed.display()))?;
        fs::write(directory.join(format!("kept-{index:04}")), input)?;
    }
    Ok(())
}

/// Packs every file of a directory, the shortest first and equal ones once. Returns the number of inputs.
pub(crate) fn pack(directory: &Path, packed: &Path) -> Result<usize> {
    let read = || -> io::Result<Vec<Vec<u8>>> {
        fs::read_dir(directory)?.map(|file| fs::read(file?.path())).collect()
    };
    let mut inputs = read().with_context(|| directory.display().to_string())?;
    inputs.sort_by(|one, other| one.len().cmp(&other.len()).then_with(|| one.cmp(other)));
    inputs.dedup();
    let mut text = String::new();
    for input in &inputs {
        text.push_str(&String::from_utf8_lossy(&escape_bytes::escape(input)));
        text.push('\n');
    }
    fs::write(packed, text).with_context(|| packed.display().to_string())?;
    Ok(inputs.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_round_trips() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        let packed = directory.path().join("packed.txt");
        fs::create_dir(&from).unwrap();
        let inputs: [&[u8]; 5] = [b"", b"\\n\n\r\t\0", b"\xff\"'", "é".as_bytes(), b"twice"];
        for (name, input) in inputs.iter().enumerate() {
            fs::write(from.join(name.to_string()), input).unwrap();
        }
        fs::write(from.join("again"), b"twice").unwrap();

        assert_eq!(pack(&from, &packed).unwrap(), inputs.len());
        unpack(&packed, &to).unwrap();
        unpack(&packed, &to).unwrap();

        let mut found: Vec<Vec<u8>> =
            fs::read_dir(&to).unwrap().map(|it| fs::read(it.unwrap().path()).unwrap()).collect();
        found.sort();
        let mut expected = inputs.map(<[u8]>::to_vec);
        expected.sort();
        assert_eq!(found, expected);
        unpack(&directory.path().join("none"), &to).unwrap();
    }
}
