#!/bin/sh
# The short demonstration that `cargo run` shows where there is no terminal to type at.
echo "* $(uname -srm), and this is $(busybox | head -n 1)"
echo '* ls -l /'
ls -l /
echo '* a pipe: seq 1 10000 | sort -rn | head -3'
seq 1 10000 | sort -rn | head -3
echo '* a file in tmpfs, and its checksum'
echo 'hello, world' > /tmp/hello && cat /tmp/hello && md5sum /tmp/hello
