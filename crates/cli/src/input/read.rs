//! Reads the input file, from a path or from standard input, up to a maximum size.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The maximum size of the input, in bytes: ten times what CloudFormation and Step Functions accept.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>
pub const LONGEST: u64 = 10_485_760;

/// Why the input can't be read. The path stands before this text in a message.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The operating system refuses to read the file.
    #[error("can't be read: {0}")]
    Refused(#[from] io::Error),
    /// The path leads to a folder.
    #[error("is a folder, expected a file; correct the path")]
    Folder,
    /// The input has more bytes than the program reads.
    #[error(
        "has more than 10,485,760 bytes, the maximum of this program; shorten it: CloudFormation accepts a template \
         of 1 MB, and Step Functions a definition of 1,048,576 bytes"
    )]
    TooLong,
    /// The input is text in UTF-16.
    #[error("is text in UTF-16, expected UTF-8; save the file in this encoding")]
    Utf16,
    /// The input is not text.
    #[error("is not text in UTF-8; save the file in this encoding")]
    NotUtf8,
}

/// Reads the text of a file of at most 10,485,760 bytes, without a byte order mark. The file may be a pipe, and `-` is
/// the standard input.
///
/// # Errors
/// When the file can't be read, is too long, or is not text.
pub fn read(path: &Path) -> Result<String, ReadError> {
    if path == Path::new("-") {
        return text(io::stdin().lock());
    }
    let metadata = path.metadata()?;
    if metadata.is_dir() {
        return Err(ReadError::Folder);
    }
    // A pipe or a device has no size.
    if metadata.len() > LONGEST {
        return Err(ReadError::TooLong);
    }
    text(File::open(path)?)
}

fn text(from: impl Read) -> Result<String, ReadError> {
    let mut bytes = Vec::new();
    let size = from.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if size as u64 > LONGEST {
        return Err(ReadError::TooLong);
    }
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(ReadError::Utf16);
    }
    if bytes.starts_with(&[0xEF, 0xBB, 0xBF]) {
        bytes.drain(..3);
    }
    String::from_utf8(bytes).map_err(|_| ReadError::NotUtf8)
}
