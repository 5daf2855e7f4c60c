//go:build !linux

package cache

import (
	"io"
	"os"
	"time"
)

// read returns the bytes of an entry's file and when it was used last.
func read(name string) (data []byte, used time.Time, ok bool) {
	f, err := os.Open(name)
	if err != nil {
		return nil, used, false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || !plausible(info.Size()) {
		return nil, used, false
	}
	data = make([]byte, info.Size())
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, used, false
	}
	return data, info.ModTime(), true
}
