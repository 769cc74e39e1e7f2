//! Tests of the path walk on a small tree with links and a mount.

use super::*;
use crate::vfs::tests::means;
use crate::vfs::tmpfs::TmpFs;
use crate::vfs::vnode::{New, NewKind};

struct Fixture {
    mounts: MountTable,
    root: Place,
}

fn make(at: &Arc<dyn Vnode>, name: &str, kind: NewKind<'_>, permissions: u16) -> Arc<dyn Vnode> {
    let new = New { kind, permissions, uid: 0, gid: 0 };
    at.as_directory().unwrap().create(name.as_bytes(), &new).unwrap()
}

/// `/a/b/file`, `/a/up -> ..`, `/a/abs -> /a/b`, `/loop -> loop`, `/dangling -> none`, `/closed/x`, and
/// another file system with `inside` on `/a/mnt`.
fn fixture() -> Fixture {
    let means = means(4);
    let top: Arc<dyn Vnode> = TmpFs::new(1, 0o755, &means).root().clone();
    let a = make(&top, "a", NewKind::Directory, 0o755);
    let b = make(&a, "b", NewKind::Directory, 0o755);
    make(&b, "file", NewKind::File, 0o644);
    make(&a, "up", NewKind::Symlink(b".."), 0o777);
    make(&a, "abs", NewKind::Symlink(b"/a/b"), 0o777);
    make(&top, "loop", NewKind::Symlink(b"loop"), 0o777);
    make(&top, "dangling", NewKind::Symlink(b"none"), 0o777);
    make(&top, "filelink", NewKind::Symlink(b"a/b/file"), 0o777);
    let closed = make(&top, "closed", NewKind::Directory, 0o600);
    make(&closed, "x", NewKind::File, 0o644);
    let mnt = make(&a, "mnt", NewKind::Directory, 0o755);
    let other: Arc<dyn Vnode> = TmpFs::new(2, 0o755, &means).root().clone();
    make(&other, "inside", NewKind::File, 0o644);
    let mounts = MountTable::new(top, "test");
    let root = mounts.root();
    mounts.mount(&Place { mount: root.mount.clone(), vnode: mnt }, other, "test").unwrap();
    Fixture { mounts, root }
}

impl Fixture {
    fn walk(&self, path: &str, last: LastLink) -> Result<Walked, Errno> {
        self.walk_as(&Caller::default(), path, last)
    }

    fn walk_as(&self, caller: &Caller, path: &str, last: LastLink) -> Result<Walked, Errno> {
        let walker = Walker { mounts: &self.mounts, root: &self.root, caller };
        walker.walk(&self.root, path.as_bytes(), last)
    }

    /// The path of the directory, or of the directory that holds the file.
    fn path(&self, path: &str) -> Result<String, Errno> {
        let walked = self.walk(path, LastLink::Follow)?;
        let place = walked.target.ok_or(Errno::ENOENT)?;
        let is_directory = place.vnode.kind() == Kind::Directory;
        let directory = if is_directory { place } else { walked.parent };
        Ok(String::from_utf8(directory.path(&self.root).unwrap()).unwrap())
    }
}

#[test]
fn paths_lead_where_linux_leads_them() {
    let tree = fixture();
    for (path, expected) in [
        ("/", "/"),
        ("//a///b/", "/a/b"),
        ("a/b/file", "/a/b"),
        ("a/./b/../b/.", "/a/b"),
        ("..", "/"),
        ("a/../../a", "/a"),
        ("a/up/a/up/a", "/a"),
        ("a/abs", "/a/b"),
        ("a/abs/", "/a/b"),
        ("a/abs/file", "/a/b"),
        ("filelink", "/a/b"),
        ("a/mnt", "/a/mnt"),
        ("a/mnt/inside", "/a/mnt"),
        ("a/mnt/..", "/a"),
        ("a/mnt/../mnt/.", "/a/mnt"),
    ] {
        assert_eq!(tree.path(path).as_deref(), Ok(expected), "{path}");
    }
}

#[test]
fn what_cannot_be_walked_gives_linux_errors() {
    let tree = fixture();
    let long = "x".repeat(NAME_LIMIT + 1);
    let longest = "/".repeat(PATH_LIMIT);
    for (path, error) in [
        ("", Errno::ENOENT),
        ("none", Errno::ENOENT),
        ("none/x", Errno::ENOENT),
        ("dangling", Errno::ENOENT),
        ("dangling/x", Errno::ENOENT),
        ("a/b/file/x", Errno::ENOTDIR),
        ("a/b/file/", Errno::ENOTDIR),
        ("a/b/file/..", Errno::ENOTDIR),
        ("filelink/", Errno::ENOTDIR),
        ("loop", Errno::ELOOP),
        ("loop/x", Errno::ELOOP),
        (&long, Errno::ENAMETOOLONG),
        (&longest, Errno::ENAMETOOLONG),
    ] {
        assert_eq!(tree.path(path).err(), Some(error), "{path}");
    }
}

#[test]
fn the_last_link_is_kept_unless_a_slash_follows() {
    let tree = fixture();
    let kind = |path, last| tree.walk(path, last).unwrap().target.unwrap().vnode.kind();
    assert_eq!(kind("a/abs", LastLink::Keep), Kind::Symlink);
    assert_eq!(kind("a/abs/", LastLink::Keep), Kind::Directory);
    assert_eq!(kind("loop", LastLink::Keep), Kind::Symlink);
}

#[test]
fn a_missing_last_component_tells_where_it_would_be() {
    let tree = fixture();
    let walked = tree.walk("a/abs/new/", LastLink::Follow).unwrap();
    assert!(walked.target.is_none() && walked.wants_directory);
    assert_eq!(walked.name, LastName::Name(b"new".to_vec()));
    assert_eq!(walked.parent.path(&tree.root), Ok(b"/a/b".to_vec()));
    // A dangling link is made where it leads.
    let walked = tree.walk("dangling", LastLink::Follow).unwrap();
    assert_eq!(walked.name, LastName::Name(b"none".to_vec()));
    assert_eq!(tree.walk("a/..", LastLink::Follow).unwrap().name, LastName::DotDot);
    assert_eq!(tree.walk("a/.", LastLink::Follow).unwrap().name, LastName::Dot);
}

#[test]
fn directories_without_search_permission_stop_all_but_root() {
    let tree = fixture();
    let user = Caller { uid: 1, gid: 1, ..Caller::default() };
    let walked = tree.walk_as(&user, "closed/x", LastLink::Follow);
    assert_eq!(walked.err(), Some(Errno::EACCES));
    assert!(tree.walk("closed/x", LastLink::Follow).is_ok());
    assert!(tree.walk_as(&user, "closed", LastLink::Follow).is_ok());
}

#[test]
fn a_changed_root_cannot_be_left() {
    let tree = fixture();
    let b = tree.walk("a/b", LastLink::Follow).unwrap().target.unwrap();
    let caller = Caller::default();
    let walker = Walker { mounts: &tree.mounts, root: &b, caller: &caller };
    let found = walker.find(&b, b"../../..", LastLink::Follow).unwrap();
    assert!(found.is_same(&b));
    assert!(walker.find(&b, b"/file", LastLink::Follow).is_ok());
    assert_eq!(found.path(&b), Ok(b"/".to_vec()));
    assert_eq!(tree.root.path(&b), Ok(b"(unreachable)/".to_vec()));
}

#[test]
fn forty_links_are_followed_and_no_more() {
    let tree = fixture();
    let path = |links: usize| format!("{}a/b", "a/up/".repeat(links));
    assert!(tree.walk(&path(40), LastLink::Follow).is_ok());
    assert_eq!(tree.walk(&path(41), LastLink::Follow).err(), Some(Errno::ELOOP));
}
