//! Parts of documents that a command prints, and keeps from going out of date.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// The part of a document between the two lines that name a command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    /// As the user types it.
    pub(crate) command: &'static str,
}

impl Block {
    /// With `write`, puts the printed text into the document. Without it, fails if the document shows another text.
    pub(crate) fn settle(self, readme: &Path, printed: &str, write: bool) -> Result<()> {
        let text = fs::read_to_string(readme)?;
        let (before, shown, after) = self.split(&text)?;
        if write {
            fs::write(readme, format!("{before}{printed}{after}"))?;
        } else if shown != printed {
            let Self { command } = self;
            bail!(
                "{} shows something else than `{command}`: `{command} --write` renews it",
                readme.display()
            );
        }
        Ok(())
    }

    fn split(self, readme: &str) -> Result<(&str, &str, &str)> {
        let Self { command } = self;
        let begin_line = format!("<!-- begin of what `{command}` prints -->\n");
        let end_line = format!("<!-- end of what `{command}` prints -->\n");
        let begin = readme.find(&begin_line).map(|at| at + begin_line.len());
        let begin = begin.with_context(|| format!("the document lacks the line {begin_line}"))?;
        let end = readme.find(&end_line).filter(|end| *end >= begin);
        let end = end.with_context(|| format!("the document lacks the line {end_line}"))?;
        Ok((&readme[..begin], &readme[begin..end], &readme[end..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: Block = Block { command: "cargo xtask shown" };
    const BEGIN: &str = "<!-- begin of what `cargo xtask shown` prints -->\n";
    const END: &str = "<!-- end of what `cargo xtask shown` prints -->\n";

    #[test]
    fn marked_parts_are_compared_and_renewed() {
        let folder = tempfile::tempdir().unwrap();
        let readme = folder.path().join("README.md");
        fs::write(&readme, format!("before\n{BEGIN}{END}after\n")).unwrap();
        let error = BLOCK.settle(&readme, "new\n", false).unwrap_err().to_string();
        assert!(error.ends_with("`cargo xtask shown --write` renews it"), "{error}");
        BLOCK.settle(&readme, "new\n", true).unwrap();
        BLOCK.settle(&readme, "new\n", false).unwrap();
        let text = fs::read_to_string(&readme).unwrap();
        assert_eq!(text, format!("before\n{BEGIN}new\n{END}after\n"));
    }

    #[test]
    fn readmes_without_markers_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let readme = folder.path().join("README.md");
        for text in ["", BEGIN, END, &format!("{END}{BEGIN}")] {
            fs::write(&readme, text).unwrap();
            assert!(BLOCK.settle(&readme, "", true).is_err(), "{text:?}");
        }
    }
}
