package cache

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// read returns the bytes of an entry's file and when it was used last. Package os asks the system three times as much
// of each file, to read of pipes and terminals without blocking; a build of a large repository reads thousands.
func read(name string) (data []byte, used time.Time, ok bool) {
	var fd int
	if again(func() (err error) {
		fd, err = unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		return err
	}) != nil {
		return nil, used, false
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if again(func() error { return unix.Fstat(fd, &st) }) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || !plausible(st.Size) {
		return nil, used, false
	}
	data = make([]byte, st.Size)
	for at := 0; at < len(data); {
		var n int
		if again(func() (err error) {
			n, err = unix.Read(fd, data[at:])
			return err
		}) != nil || n <= 0 {
			return nil, used, false
		}
		at += n
	}
	return data, time.Unix(st.Mtim.Unix()), true
}

// again calls f until no signal interrupts it.
func again(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
