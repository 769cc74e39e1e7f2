//! `osv zfs`: looks into images of ZFS pools, by the code that serves them in the target.

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zfs::{BlockDevice, DeviceError, FileKind, Filesystem, Node, Options, Pool};

/// Bytes that are copied at a time.
const PIECE_BYTES: usize = 1 << 20;
/// Entries of a directory that are listed at a time.
const LISTED: usize = 1024;

/// Looks into images of ZFS pools; no virtual machine and no root is needed
///
/// A place is a dataset or snapshot, perhaps followed by a colon and a path in it.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    osv zfs info usr.img                        the pool and its datasets\n  \
    osv zfs ls osv/zfs:/lib usr.img             a directory\n  \
    osv zfs cat osv/zfs:/etc/fstab usr.img      a file\n  \
    osv zfs get osv/zfs:/etc ./etc usr.img      copies a file or a whole directory out\n  \
    osv zfs properties osv/zfs usr.img          the properties of a dataset\n  \
    osv zfs check disk0.img disk1.img           reads and verifies every block")]
pub struct Zfs {
    #[command(subcommand)]
    action: Action,
}

/// The devices of a pool.
#[derive(Args, Debug)]
struct Images {
    /// The images or disks of the pool, in any order
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// The pool, when the images hold several
    #[arg(long, value_name = "NAME")]
    pool: Option<String>,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Shows the pool, its features in use and its datasets
    Info(Images),
    /// Lists a directory
    Ls {
        /// The dataset and path
        place: String,
        #[command(flatten)]
        images: Images,
    },
    /// Writes a file's content to the standard output
    Cat {
        /// The dataset and path
        place: String,
        #[command(flatten)]
        images: Images,
    },
    /// Copies a file or directory out of the pool
    Get {
        /// The dataset and path
        place: String,
        /// What to make; must not exist
        to: PathBuf,
        #[command(flatten)]
        images: Images,
    },
    /// Shows the properties of a dataset
    Properties {
        /// The dataset or snapshot
        dataset: String,
        #[command(flatten)]
        images: Images,
    },
    /// Reads and verifies every block
    Check(Images),
}

/// A file or disk as a device.
struct Image {
    file: File,
    bytes: u64,
}

impl BlockDevice for Image {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), DeviceError> {
        self.file.read_exact_at(into, offset).map_err(|_| DeviceError::Failed)
    }

    fn size(&self) -> u64 {
        self.bytes
    }
}

impl Images {
    fn open(&self) -> Result<Arc<Pool>> {
        let mut devices: Vec<Box<dyn BlockDevice>> = Vec::new();
        for path in &self.images {
            let open = || -> std::io::Result<Image> {
                let mut file = File::open(path)?;
                let bytes = std::io::Seek::seek(&mut file, std::io::SeekFrom::End(0))?;
                Ok(Image { file, bytes })
            };
            devices.push(Box::new(open().with_context(|| format!("opening {}", path.display()))?));
        }
        let options = Options { name: self.pool.clone(), ..Options::default() };
        Ok(Arc::new(Pool::open(devices, &options).context("opening the pool")?))
    }

    /// Opens what a place names.
    fn find(&self, place: &str) -> Result<(Filesystem, Node)> {
        let (dataset, path) = place.split_once(':').unwrap_or((place, ""));
        let pool = self.open()?;
        let dataset = pool.dataset(dataset).with_context(|| format!("finding {dataset}"))?;
        let filesystem = Filesystem::mount(pool, &dataset).context("opening the file system")?;
        let node = filesystem.find(path.as_bytes()).with_context(|| format!("finding {place}"))?;
        Ok((filesystem, node))
    }
}

impl Zfs {
    /// Does it; returns the exit status.
    ///
    /// # Errors
    /// If the pool or what was asked for cannot be read, or the host's files cannot be written.
    pub fn perform(&self) -> Result<u8> {
        match &self.action {
            Action::Info(images) => info(&*images.open()?)?,
            Action::Ls { place, images } => {
                let (filesystem, node) = images.find(place)?;
                list(&filesystem, &node)?;
            }
            Action::Cat { place, images } => {
                let (filesystem, node) = images.find(place)?;
                copy(&filesystem, &node, &mut std::io::stdout().lock())?;
            }
            Action::Get { place, to, images } => {
                let (filesystem, node) = images.find(place)?;
                extract(&filesystem, &node, to)?;
            }
            Action::Properties { dataset, images } => {
                let pool = images.open()?;
                for property in pool.dataset(dataset)?.properties(&pool)? {
                    println!("{}\t{}\t{:?}", property.name, property.value, property.source);
                }
            }
            Action::Check(images) => return check(&*images.open()?),
        }
        Ok(0)
    }
}

fn info(pool: &Pool) -> Result<()> {
    let uberblock = pool.uberblock();
    println!("pool {}, guid {}, transaction group {}", pool.name(), pool.guid(), uberblock.txg);
    println!("version {}", uberblock.version);
    let active = pool.features().iter().filter(|(_, state)| state.is_active());
    active.for_each(|(guid, _)| println!("feature {guid}"));
    for guid in pool.health().absent {
        println!("device {guid} is missing");
    }
    for dataset in pool.datasets()? {
        println!("{}", dataset.name());
    }
    Ok(())
}

/// Calls `visit` with each entry of a directory.
fn entries(
    filesystem: &Filesystem,
    directory: &Node,
    visit: &mut dyn FnMut(&[u8], &Node) -> Result<()>,
) -> Result<()> {
    let mut cookie = 0;
    loop {
        let some = filesystem.read_directory(directory, cookie, LISTED)?;
        let Some(last) = some.last() else { return Ok(()) };
        cookie = last.cookie;
        for entry in &some {
            visit(&entry.name, &filesystem.node(entry.object)?)?;
        }
    }
}

fn list(filesystem: &Filesystem, node: &Node) -> Result<()> {
    let line = |name: &[u8], node: &Node| -> Result<()> {
        let attributes = node.attributes();
        let kind = match attributes.kind {
            FileKind::File => '-',
            FileKind::Directory => 'd',
            FileKind::Symlink => 'l',
            FileKind::CharacterDevice => 'c',
            FileKind::BlockDevice => 'b',
            FileKind::Fifo => 'p',
            FileKind::Socket => 's',
        };
        let (mode, size) = (attributes.permissions, attributes.size);
        let owner = format!("{}:{}", attributes.uid, attributes.gid);
        let target = match attributes.kind {
            FileKind::Symlink => format!(" -> {}", filesystem.read_link(node)?.escape_ascii()),
            _ => String::new(),
        };
        println!(
            "{kind}{mode:04o} {owner:>9} {size:>12} {}{target}",
            String::from_utf8_lossy(name)
        );
        Ok(())
    };
    if node.attributes().kind == FileKind::Directory {
        entries(filesystem, node, &mut |name, node| line(name, node))
    } else {
        line(b"", node)
    }
}

fn copy(filesystem: &Filesystem, node: &Node, to: &mut dyn Write) -> Result<()> {
    let (mut piece, mut offset) = (vec![0; PIECE_BYTES], 0);
    loop {
        let len = filesystem.read(node, offset, &mut piece)?;
        if len == 0 {
            return Ok(to.flush()?);
        }
        to.write_all(&piece[..len])?;
        offset += len as u64;
    }
}

/// Copies files, directories and links; others are left out with a word about it.
fn extract(filesystem: &Filesystem, node: &Node, to: &Path) -> Result<()> {
    let attributes = node.attributes();
    let context = || format!("making {}", to.display());
    match attributes.kind {
        FileKind::Directory => {
            std::fs::create_dir(to).with_context(context)?;
            entries(filesystem, node, &mut |name, child| {
                // A damaged pool must not lead out of the directory.
                if name == b"." || name == b".." || name.contains(&b'/') {
                    bail!("an entry of {} has an impossible name", to.display());
                }
                extract(filesystem, child, &to.join(OsStr::from_bytes(name)))
            })?;
        }
        FileKind::File => {
            let mut file = File::create_new(to).with_context(context)?;
            copy(filesystem, node, &mut file).with_context(context)?;
        }
        FileKind::Symlink => {
            let target = filesystem.read_link(node)?;
            std::os::unix::fs::symlink(OsStr::from_bytes(&target), to).with_context(context)?;
            return Ok(());
        }
        _ => {
            eprintln!(
                "osv: {} is left out: it is neither file nor directory nor link",
                to.display()
            );
            return Ok(());
        }
    }
    let permissions = std::fs::Permissions::from_mode(attributes.permissions & 0o777);
    std::fs::set_permissions(to, permissions).with_context(context)
}

fn check(pool: &Pool) -> Result<u8> {
    let tally = pool.scrub(&mut |error| println!("{error}"))?;
    println!(
        "{} objects, {} blocks, {} bytes read; {} blocks encrypted; {} errors",
        tally.objects, tally.blocks, tally.bytes, tally.encrypted, tally.errors
    );
    let health = pool.health();
    for device in health.devices {
        let (guid, reads, sums) = (device.guid, device.read_errors, device.checksum_errors);
        println!("device {guid}: {reads} read errors, {sums} checksum errors");
    }
    health.absent.iter().for_each(|guid| println!("device {guid} is missing"));
    Ok(u8::from(tally.errors > 0 || !health.damaged.is_empty()))
}
