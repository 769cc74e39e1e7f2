//! Files whose text is made when they are read, and directories of such files.

use alloc::string::String;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use super::transfer::{Sink, put_from};
use super::vnode::{Caller, Directory, Entry, FileSystemInfo, Kind, Stat, Vnode};
use crate::errno::Errno;
use crate::sync::Mutex;

/// Makes the text of a file, or tells that there is none any more.
pub type Generate = dyn Fn() -> Result<Vec<u8>, Errno> + Send + Sync;

/// A file whose text is made anew whenever it is read from the start.
pub struct TextFile {
    /// Device and inode number.
    pub identity: (u64, u64),
    /// Permission bits.
    pub permissions: u16,
    /// The file system's magic number.
    pub magic: u32,
    /// Makes the text.
    pub generate: Arc<Generate>,
}

impl Vnode for TextFile {
    fn stat(&self) -> Stat {
        let (device, inode) = self.identity;
        Stat { device, inode, block_bytes: 1024, ..Stat::new(Kind::File, self.permissions) }
    }

    fn kind(&self) -> Kind {
        Kind::File
    }

    fn identity(&self) -> (u64, u64) {
        self.identity
    }

    fn file_system(&self) -> FileSystemInfo {
        FileSystemInfo::empty(self.magic, self.identity.0)
    }

    fn open(&self, _caller: &Caller) -> Result<Option<Arc<dyn Vnode>>, Errno> {
        let (stat, info) = (self.stat(), self.file_system());
        let generate = self.generate.clone();
        Ok(Some(Arc::new(Snapshot { stat, info, generate, text: Mutex::new(None) })))
    }

    fn read_at(&self, offset: u64, into: &mut dyn Sink) -> Result<usize, Errno> {
        put_from(&(self.generate)()?, offset, into)
    }
}

/// An open text file: its reader sees one text, however many reads it takes.
struct Snapshot {
    stat: Stat,
    info: FileSystemInfo,
    generate: Arc<Generate>,
    text: Mutex<Option<Vec<u8>>>,
}

impl Vnode for Snapshot {
    fn stat(&self) -> Stat {
        self.stat
    }

    fn kind(&self) -> Kind {
        Kind::File
    }

    fn file_system(&self) -> FileSystemInfo {
        self.info
    }

    fn read_at(&self, offset: u64, into: &mut dyn Sink) -> Result<usize, Errno> {
        // Out of the lock while it is copied: making the text may need what the copy needs.
        let kept = self.text.lock().take();
        let text = match kept {
            Some(text) if offset != 0 => text,
            _ => (self.generate)()?,
        };
        let result = put_from(&text, offset, into);
        *self.text.lock() = Some(text);
        result
    }
}

/// Files by path: the path from the top and what makes the text.
pub type Files<S> = &'static [(&'static str, fn(&S) -> Vec<u8>)];

/// A file system of text files. The directories are those that the paths name.
pub struct Tree<S: 'static> {
    /// The device number.
    pub device: u64,
    /// The file system's magic number.
    pub magic: u32,
    /// The files.
    pub files: Files<S>,
    /// What the texts are made from.
    pub source: S,
    /// What stands as the parent of the first directories; the tree's own top if it is not set.
    pub top: Mutex<Option<Weak<dyn Vnode>>>,
}

/// Inode number of the top of a tree.
pub const TOP_INODE: u64 = 1;

impl<S: Send + Sync> Tree<S> {
    /// The directory with that path; the empty path is the top.
    #[must_use]
    pub fn directory(self: &Arc<Self>, path: &'static str) -> TreeDirectory<S> {
        TreeDirectory { tree: self.clone(), path }
    }
}

/// A directory of a [`Tree`].
pub struct TreeDirectory<S: 'static> {
    tree: Arc<Tree<S>>,
    path: &'static str,
}

/// What a name in a directory of a tree stands for.
struct Child {
    name: &'static str,
    /// The path from the top.
    path: &'static str,
    /// The file's index, or none for a directory.
    file: Option<usize>,
}

impl Child {
    fn inode(&self) -> u64 {
        self.file.map_or_else(|| path_inode(self.path), |index| FILE_INODES + index as u64)
    }

    fn kind(&self) -> Kind {
        if self.file.is_some() { Kind::File } else { Kind::Directory }
    }
}

/// Inode number of the first file.
const FILE_INODES: u64 = 16;

/// The inode number of a directory: its path's hash (FNV-1a), apart from those of files.
fn path_inode(path: &str) -> u64 {
    if path.is_empty() {
        return TOP_INODE;
    }
    let hash = path.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    hash >> 32 | 1 << 32
}

impl<S: Send + Sync> TreeDirectory<S> {
    /// The children, each once for every file below it; equal ones stand together.
    fn children(&self) -> impl Iterator<Item = Child> + '_ {
        let files = self.tree.files.iter().enumerate();
        files.filter_map(move |(index, (path, _))| {
            let rest = path.strip_prefix(self.path)?;
            let rest = if self.path.is_empty() { rest } else { rest.strip_prefix('/')? };
            let (name, is_file) = match rest.split_once('/') {
                Some((name, _)) => (name, false),
                None => (rest, true),
            };
            let end = path.len() - rest.len() + name.len();
            let file = if is_file { Some(index) } else { None };
            Some(Child { name, path: path.get(..end)?, file })
        })
    }
}

impl<S: Send + Sync> Vnode for TreeDirectory<S> {
    fn stat(&self) -> Stat {
        let (device, inode) = self.identity();
        Stat { device, inode, links: 2, ..Stat::new(Kind::Directory, 0o555) }
    }

    fn kind(&self) -> Kind {
        Kind::Directory
    }

    fn identity(&self) -> (u64, u64) {
        (self.tree.device, path_inode(self.path))
    }

    fn file_system(&self) -> FileSystemInfo {
        FileSystemInfo::empty(self.tree.magic, self.tree.device)
    }

    fn as_directory(&self) -> Option<&dyn Directory> {
        Some(self)
    }
}

impl<S: Send + Sync> Directory for TreeDirectory<S> {
    fn lookup(&self, name: &[u8], _caller: &Caller) -> Result<Arc<dyn Vnode>, Errno> {
        let child = self.children().find(|child| child.name.as_bytes() == name);
        let child = child.ok_or(Errno::ENOENT)?;
        let Some(index) = child.file else {
            return Ok(Arc::new(self.tree.directory(child.path)));
        };
        let tree = self.tree.clone();
        Ok(Arc::new(TextFile {
            identity: (tree.device, child.inode()),
            permissions: 0o444,
            magic: tree.magic,
            generate: Arc::new(move || match tree.files.get(index) {
                Some((_, generate)) => Ok(generate(&tree.source)),
                None => Err(Errno::ENOENT),
            }),
        }))
    }

    fn entries(
        &self,
        after: u64,
        _caller: &Caller,
        visit: &mut dyn FnMut(&Entry<'_>) -> bool,
    ) -> Result<(), Errno> {
        let mut position = FIRST_POSITION - 1;
        let mut last = None;
        for child in self.children() {
            if last == Some(child.name) {
                continue;
            }
            last = Some(child.name);
            position += 1;
            let (inode, kind) = (child.inode(), child.kind());
            let entry = Entry { name: child.name.as_bytes(), inode, kind, next: position };
            if position > after && !visit(&entry) {
                break;
            }
        }
        Ok(())
    }

    fn parent(&self) -> Option<Arc<dyn Vnode>> {
        let above = match self.path.rsplit_once('/') {
            Some((above, _)) => above,
            None if self.path.is_empty() => return None,
            None => {
                let top = self.tree.top.lock().as_ref().and_then(Weak::upgrade);
                return top.or_else(|| Some(Arc::new(self.tree.directory(""))));
            }
        };
        Some(Arc::new(self.tree.directory(above)))
    }

    fn name(&self) -> Option<Vec<u8>> {
        let name = self.path.rsplit('/').next().unwrap_or(self.path);
        if name.is_empty() { None } else { Some(name.into()) }
    }
}

/// Position of the first entry of a directory: 1 and 2 stand behind `.` and `..`.
pub const FIRST_POSITION: u64 = 3;

/// Shorthand: a text with a newline.
#[must_use]
pub fn line(text: &str) -> Vec<u8> {
    let mut line = String::from(text);
    line.push('\n');
    line.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::transfer::Bytes;

    static FILES: Files<u32> = &[
        ("a/b/one", |source| line(&alloc::format!("{source}"))),
        ("a/b/two", |_| line("2")),
        ("a/c", |_| line("c")),
        ("top", |_| line("t")),
    ];

    fn tree() -> Arc<Tree<u32>> {
        Arc::new(Tree { device: 4, magic: 5, files: FILES, source: 9, top: Mutex::new(None) })
    }

    fn names(directory: &dyn Directory, after: u64) -> Vec<Vec<u8>> {
        let mut names = Vec::new();
        let mut visit = |entry: &Entry<'_>| {
            names.push(entry.name.to_vec());
            true
        };
        directory.entries(after, &Caller::default(), &mut visit).unwrap();
        names
    }

    #[test]
    fn the_paths_make_the_directories() {
        let tree = tree();
        let top = tree.directory("");
        assert_eq!(names(&top, 0), [b"a".to_vec(), b"top".to_vec()]);
        assert_eq!(names(&top, 3), [b"top".to_vec()]);
        let a = top.lookup(b"a", &Caller::default()).unwrap();
        assert_eq!(names(a.as_directory().unwrap(), 0), [b"b".to_vec(), b"c".to_vec()]);
        let b = a.as_directory().unwrap().lookup(b"b", &Caller::default()).unwrap();
        let b = b.as_directory().unwrap();
        assert_eq!(b.name(), Some(b"b".to_vec()));
        assert_eq!(b.parent().unwrap().identity(), a.identity());
        assert_eq!(b.lookup(b"on", &Caller::default()).err(), Some(Errno::ENOENT));
    }

    #[test]
    fn an_open_text_is_read_in_pieces() {
        let tree = tree();
        let file = tree.directory("a/b").lookup(b"one", &Caller::default()).unwrap();
        let open = file.open(&Caller::default()).unwrap().unwrap();
        let mut byte = [0; 1];
        assert_eq!(open.read_at(0, &mut Bytes(&mut byte)), Ok(1));
        assert_eq!(&byte, b"9");
        assert_eq!(open.read_at(1, &mut Bytes(&mut byte)), Ok(1));
        assert_eq!(open.read_at(2, &mut Bytes(&mut byte)), Ok(0));
    }
}
