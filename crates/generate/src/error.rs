//! The errors of the program.

use std::io;
use std::path::{Path, PathBuf};

/// Why the files can't be generated, or are not what would be generated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The arguments of the program are not valid.
    #[error("usage: generate [--check], in the root of the repository")]
    Arguments,
    /// A file or folder can't be read or written.
    #[error("{}: {why}", .path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        why: io::Error,
    },
    /// The schema `name` can't be written as JSON.
    #[error("{name}: {why}")]
    Schema {
        /// The resource type without `Custom::`, or `cli/` and what it is of.
        name: String,
        /// What the serializer says.
        why: serde_json::Error,
    },
    /// These files are absent or are not what would be generated.
    #[error("{}", stale(.0))]
    Stale(Vec<PathBuf>),
    /// A line of a part of the template has `<` and is no directive.
    #[error("{}:{line}: `{directive}`: no such directive", .part.display())]
    UnknownDirective {
        /// The file with the part.
        part: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// The line without its indentation.
        directive: String,
    },
    /// No part of the template has these directives.
    #[error("no part of the template has: {}", .0.join(", "))]
    UnusedDirectives(Vec<&'static str>),
    /// This file beside the parts of the template is none of them.
    #[error("{}: no part of the template; add it to `PARTS`", .0.display())]
    UnlistedPart(PathBuf),
    /// The generated template can't be parsed.
    #[error("template.yaml: {0}")]
    Template(Box<dyn std::error::Error>),
    /// The comment that opens a generated part of this page has no end.
    #[error("{}: `<!-- generated: ` without ` -->`", .0.display())]
    OpenComment(PathBuf),
    /// A generated part of a page is not closed.
    #[error("{}: `{asked}`: without `<!-- /generated -->`", .page.display())]
    OpenPart {
        /// The file with the page.
        page: PathBuf,
        /// What the comment asks for.
        asked: String,
    },
    /// A generated part of a page can't be written.
    #[error("{}: `{asked}`: {why}", .page.display())]
    Part {
        /// The file with the page.
        page: PathBuf,
        /// What the comment asks for.
        asked: String,
        /// Why the part can't be written.
        why: PartError,
    },
    /// No page has these properties, attributes, errors, parameters or statements.
    #[error("no page has: {}", .0.join(", "))]
    MissingFromPages(Vec<String>),
}

/// Why a generated part of a page can't be written.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// The comment asks for something unknown.
    #[error("nothing of that name is generated")]
    Unknown,
    /// Two tables would describe this name.
    #[error("`{0}` stands in another generated table already")]
    Twice(String),
    /// There is no such resource type.
    #[error("there is no resource type `{0}`")]
    NoType(String),
    /// The command line has no such command.
    #[error("the command line has no command `{0}`")]
    NoCommand(String),
    /// The resource type has no such property.
    #[error("the type has no property `{0}`")]
    NoProperty(String),
    /// The resource type has no such attribute.
    #[error("the type has no attribute `{0}`")]
    NoAttribute(String),
    /// The function accepts every wrong value of this property.
    #[error("no wrong value of `{0}` is refused")]
    NothingRefused(String),
    /// The stack or the guardrails that wrong values are checked with are not valid.
    #[error("{0}")]
    NoContext(String),
    /// The template has no such parameter.
    #[error("template.yaml has no parameter `{0}`")]
    NoParameter(String),
    /// The template has no such policy, or the policy has no statements.
    #[error("template.yaml has no policy `{0}` with statements")]
    NoStatements(String),
    /// `LIMITS` does not say what limits the statement with this `Sid`.
    #[error("statement `{0}` has no limit in `LIMITS`")]
    NoLimit(String),
    /// This property, parameter or output has no description.
    #[error("{0} has no description")]
    NoDescription(String),
}

impl Error {
    /// Returns the function that adds the file or folder to an error of the operating system.
    pub fn of_file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |why| Self::File { path: path.to_owned(), why }
    }
}

/// Returns a line for each file that is not up to date.
fn stale(paths: &[PathBuf]) -> String {
    let line = |path: &PathBuf| format!("{}: is not up to date; run `make generate`", path.display());
    paths.iter().map(line).collect::<Vec<_>>().join("\n")
}
