//go:build unix

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// lockFolder waits until no other gwc holds a folder. The lock is the folder's own, so no file is left behind, and the
// system takes it back where the process dies.
func lockFolder(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX); err != unix.EINTR {
			break
		}
	}
	// Some network file systems know no locks; a plan is applied there without one.
	if err != nil && err != unix.ENOTSUP && err != unix.ENOLCK && err != unix.EINVAL && err != unix.EBADF {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}
