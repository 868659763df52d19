//! Reads the files that a template names. A template may name only files of its own repository.

use std::fs::File;
use std::io::{Error, ErrorKind, Read as _};
use std::path::{Component, Path, PathBuf};

use mlops_roles_core::text::shown;

/// The maximum size of a file, in bytes: that of a definition in Step Functions.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>
const LONGEST: u64 = 1_048_576;

/// Why a file can't be read. Each variant has the path as the user wrote it, and none has content of the file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The path leads out of the repository.
    #[error(
        "found {}, which is outside the repository of the template, expected a file in it; copy the file there",
        shown(.path)
    )]
    Outside { path: String },
    /// The path is absolute.
    #[error(
        "found {}, expected a path that starts from the folder of the template; write a relative path",
        shown(.path)
    )]
    Absolute { path: String },
    /// There is no such file.
    #[error("found {}, expected a file that exists; correct the path", shown(.path))]
    Absent { path: String },
    /// The path leads to something else. `kind` is `a folder`, or `a device or a pipe`.
    #[error("found {}, which is {kind}, expected a file; correct the path", shown(.path))]
    NotAFile { path: String, kind: &'static str },
    /// The file is larger than a definition can be. The sizes are in bytes.
    #[error(
        "found {} with {size} bytes, expected at most {maximum}, the maximum of Step Functions; shorten the file",
        shown(.path)
    )]
    TooLong { path: String, size: u64, maximum: u64 },
    /// The file is not text in UTF-8.
    #[error("found {}, expected text in UTF-8; save the file in this encoding", shown(.path))]
    NotUtf8 { path: String },
    /// The operating system refuses to read the file.
    #[error("{}: can't be read: {error}", shown(.path))]
    Unread { path: String, error: Error },
}

/// The repository of a template.
#[derive(Clone, Debug)]
pub struct Repository {
    /// The folder of the template, which relative paths start from.
    folder: PathBuf,
}

impl Repository {
    /// The repository of a template: the nearest folder above it that has `.git`, else the folder of the template.
    pub fn of(template: &Path) -> Self {
        let folder = template.parent().filter(|folder| !folder.as_os_str().is_empty());
        Self { folder: folder.unwrap_or(Path::new(".")).to_owned() }
    }

    /// The nearest file of this name, from the folder of the template upwards to the root of the repository.
    pub fn nearest(&self, name: &str) -> Option<PathBuf> {
        let here = self.folder.canonicalize().ok()?;
        let root = root_of(&here);
        let folders = here.ancestors().take_while(|folder| folder.starts_with(root));
        folders.map(|folder| folder.join(name)).find(|path| path.symlink_metadata().is_ok())
    }

    /// Reads the text of a file. `location` is the path as the template has it.
    ///
    /// # Errors
    /// When the path is absolute or leads out of the repository, or the file can't be read. The message never has the
    /// content of the file.
    pub fn read(&self, location: &str) -> Result<String, FileError> {
        let here = self.folder.canonicalize();
        let here = here.map_err(|error| unreadable(&self.folder.display().to_string(), error))?;
        let root = root_of(&here);
        let outside = || FileError::Outside { path: location.to_owned() };
        // A path that leads out is not looked up, so that the message does not tell what is there.
        let mut depth = here.strip_prefix(root).map_or(0, |below| below.components().count());
        for component in Path::new(location).components() {
            match component {
                // git keeps credentials there.
                Component::Normal(name) if name == ".git" => return Err(outside()),
                Component::Normal(_) => depth += 1,
                Component::ParentDir => depth = depth.checked_sub(1).ok_or_else(outside)?,
                Component::CurDir => {}
                Component::RootDir | Component::Prefix(_) => {
                    return Err(FileError::Absolute { path: location.to_owned() });
                }
            }
        }
        let path = here.join(location).canonicalize().map_err(|error| unreadable(location, error))?;
        let is_other = |folder: &Path| folder != root && folder.starts_with(root) && folder.join(".git").exists();
        let in_git = path.strip_prefix(root).is_ok_and(|below| below.components().any(|one| one.as_os_str() == ".git"));
        if !path.starts_with(root) || in_git || path.ancestors().any(is_other) {
            return Err(outside());
        }
        text_of(&path, location)
    }
}

/// The root of the repository of a folder: the nearest folder above it that has `.git`, else the folder itself.
fn root_of(folder: &Path) -> &Path {
    folder.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(folder)
}

/// Reads the text of a regular file of at most 1,048,576 bytes. `name` is the path as the user wrote it.
///
/// # Errors
/// When there is no such file, or it is too large or not text. The message never has the content of the file.
pub fn text_of(path: &Path, name: &str) -> Result<String, FileError> {
    let unread = |error: Error| unreadable(name, error);
    // Opening a pipe would wait for a writer.
    let metadata = path.metadata().map_err(unread)?;
    if !metadata.is_file() {
        let kind = if metadata.is_dir() { "a folder" } else { "a device or a pipe" };
        return Err(FileError::NotAFile { path: name.to_owned(), kind });
    }
    if metadata.len() > LONGEST {
        return Err(FileError::TooLong { path: name.to_owned(), size: metadata.len(), maximum: LONGEST });
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes)).map_err(unread)?;
    String::from_utf8(bytes).map_err(|_| FileError::NotUtf8 { path: name.to_owned() })
}

fn unreadable(name: &str, error: Error) -> FileError {
    let path = name.to_owned();
    match error.kind() {
        ErrorKind::NotFound => FileError::Absent { path },
        _ => FileError::Unread { path, error },
    }
}
