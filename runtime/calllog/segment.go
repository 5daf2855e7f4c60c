package calllog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// segment is an open file of the call log. Writes go to its end.
type segment interface {
	io.Writer
	Truncate(size int64) error
	Stat() (fs.FileInfo, error)
	Sync() error
	Close() error
}

// createSegment makes a file that did not exist. O_APPEND makes a write after a cut land at the new end.
func createSegment(path string) (segment, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o640)
}

// writer owns the segments of one log. Only the log's goroutine uses it.
type writer struct {
	dir    string
	create func(path string) (segment, error)
	max    int64

	file segment // nil: the next write makes one
	path string
	size int64     // bytes of whole batches in file, which is all that it holds
	last time.Time // of the last segment's name, so that names grow even when the clock goes back
}

// name returns a segment's file name. Names sort by time: the stamp has a fixed width, and the process id after it
// only tells processes apart.
func name(t time.Time) string {
	return fmt.Sprintf("calls-%s-%d.ndjson", t.UTC().Format("20060102T150405.000Z"), os.Getpid())
}

// open makes the next segment, and the folder when somebody removed it.
func (w *writer) open() error {
	t := time.Now().Truncate(time.Millisecond)
	if !t.After(w.last) {
		t = w.last.Add(time.Millisecond)
	}
	for range 1000 {
		path := filepath.Join(w.dir, name(t))
		f, err := w.create(path)
		switch {
		case err == nil:
			w.file, w.path, w.size, w.last = f, path, 0, t
			return nil
		case errors.Is(err, fs.ErrExist):
			t = t.Add(time.Millisecond)
		case errors.Is(err, fs.ErrNotExist):
			if err := os.MkdirAll(w.dir, 0o750); err != nil {
				return err
			}
		default:
			return err
		}
	}
	return fmt.Errorf("no free segment name in %s", w.dir)
}

// check lets go of a segment that is no longer what its path names, because it or its folder was removed or renamed:
// the next write begins a new one.
func (w *writer) check() {
	if w.file == nil {
		return
	}
	if is, err := w.file.Stat(); err == nil {
		if named, err := os.Stat(w.path); err == nil && os.SameFile(is, named) {
			return
		}
	}
	w.abandon()
}

// abandon closes the segment without caring for the result: what was written is where it is.
func (w *writer) abandon() {
	w.file.Close()
	w.file = nil
}

// write appends a batch of whole lines, all of it or nothing. What a failed write left of it is cut off again; if not
// even that works, the segment is given up and the next write begins a new one.
func (w *writer) write(b []byte) error {
	if w.file != nil && w.size > 0 && w.size+int64(len(b)) > w.max {
		w.abandon()
	}
	if w.file == nil {
		if err := w.open(); err != nil {
			return err
		}
	}
	n, err := w.file.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		if n > 0 {
			if c := w.file.Truncate(w.size); c != nil {
				err = errors.Join(err, c)
				w.abandon()
			}
		}
		return err
	}
	w.size += int64(n)
	return nil
}

// close syncs and closes the segment.
func (w *writer) close() error {
	if w.file == nil {
		return nil
	}
	err := errors.Join(w.file.Sync(), w.file.Close())
	w.file = nil
	return err
}
