// Package calllog writes one line of JSON per exchange to segment files in a folder.
//
// A [Record] enters; a line leaves, in a file named calls-<time>-<process>.ndjson. The pipeline must never wait for
// the disk, so [Log.Append] only encodes the record (outside any lock) and copies the line into the batch in memory
// (under a lock that is never held across I/O). One goroutine owns the files: it writes batches when 64 KB are full,
// or when the oldest record has waited for the flush interval.
//
// The invariants: a segment holds whole lines only. A write that fails, or takes a part, is cut back to the last
// whole batch and tried again, so a full disk costs no line that fits the queue, and nobody ever reads half a line
// that another line follows. The queue is bounded; what does not fit is dropped and counted, never silent. Segments
// are opened with O_EXCL and never reopened: two processes may share a folder, and a process that was killed in the
// middle of a write leaves at most one torn line, the last of its last segment. A killed process loses at most one
// flush interval; the kernel keeps what was written, so only a crash of the machine loses more (there is no fsync,
// except by [Log.Close]).
//
// Refused: a channel of records (an allocation or a large copy per exchange, and its consumer must encode on one
// core), slog (ten times the cost per line), and appending to the last segment of an earlier process (its torn line
// would swallow the first new one).
package calllog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Defaults of [Options].
const (
	DefaultFlush    = time.Second
	DefaultMaxBytes = 64 << 20
	DefaultMaxQueue = 8 << 20
)

// chunkSize is how many bytes of lines make a batch. A record that is longer gets a batch of its own.
const chunkSize = 64 << 10

// spareChunks is how many empty batches are kept for reuse.
const spareChunks = 16

// Options of [Open].
type Options struct {
	Dir      string        // the folder; created with mode 0750 if missing
	Flush    time.Duration // the longest time that a record waits in memory [DefaultFlush]
	MaxBytes int64         // size at which a segment is followed by the next [DefaultMaxBytes]
	MaxQueue int           // bytes that may wait in memory, counted in batches of 64 KB [DefaultMaxQueue]

	// Drops is told how many records were dropped each time some are. It runs on Append's caller or on the writer,
	// and must not block. May be nil.
	Drops func(n int)
	// Report is told when writing begins to fail, with the cause, and when it works again, with nil. It runs on the
	// writer's goroutine. May be nil.
	Report func(err error)

	create func(path string) (segment, error) // tests replace the disk
}

// Stats is what a [Log] has done so far.
type Stats struct {
	Records   uint64 // accepted by Append
	Dropped   uint64 // refused by Append, or lost by Close
	Written   uint64 // of Records, those whose line is in a segment
	Bytes     uint64 // in segments
	Queued    int    // bytes that wait in memory
	Errors    uint64 // failed writes, cuts and opens
	Failing   bool   // the last try to write failed
	LastError error  // the cause of the last failure, also after it has healed; nil if there was none
	Segment   string // path of the file that is being written; empty before the first write
}

// Log appends records to segments. Its methods may be called from any goroutine.
type Log struct {
	o        Options
	encoders sync.Pool
	wake     chan struct{} // a first record waits
	full     chan struct{} // a batch is full
	stop     chan struct{}
	done     chan struct{}
	closeErr error // read after done

	mu     sync.Mutex
	cur    *chunk   // takes lines; nil when nothing waits since the last flush
	ready  []*chunk // full, in order
	spare  []*chunk
	queued int // bytes of cur and ready, and of the batches that the writer holds
	closed bool
	stats  Stats

	writer writer // of run's goroutine
}

// chunk is a batch of whole lines.
type chunk struct {
	b []byte
	n uint64 // lines
}

// Open makes the folder if needed, checks that files can be made in it, and starts the writer. The first segment is
// made with the first record.
func Open(o Options) (*Log, error) {
	if o.Dir == "" {
		return nil, errors.New("call log: no folder is set")
	}
	if o.Flush <= 0 {
		o.Flush = DefaultFlush
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.MaxQueue <= 0 {
		o.MaxQueue = DefaultMaxQueue
	}
	if o.create == nil {
		o.create = createSegment
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("call log: %w", err)
	}
	o.Dir = dir
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("call log: %w", err)
	}
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return nil, fmt.Errorf("call log: no files can be made in %s: %w", dir, err)
	}
	l := &Log{
		o:    o,
		wake: make(chan struct{}, 1),
		full: make(chan struct{}, 1),
		stop: make(chan struct{}),
		done: make(chan struct{}),
	}
	l.encoders.New = func() any { return &encoder{buf: make([]byte, 0, 2048)} }
	l.writer = writer{dir: dir, create: o.create, max: o.MaxBytes}
	go l.run()
	return l, nil
}

// Append puts the record into the current batch. It never blocks on the disk: when MaxQueue bytes already wait, the
// record is dropped and counted, and so it is after Close. Budget: no allocation, at most 0.5 µs.
func (l *Log) Append(r *Record) {
	e := l.encoders.Get().(*encoder)
	line := e.encode(r)

	l.mu.Lock()
	if l.closed || l.queued+len(line) > l.o.MaxQueue {
		l.stats.Dropped++
		l.mu.Unlock()
		l.encoders.Put(e)
		if l.o.Drops != nil {
			l.o.Drops(1)
		}
		return
	}
	var first, full bool
	if l.cur != nil && len(l.cur.b)+len(line) > cap(l.cur.b) {
		l.ready = append(l.ready, l.cur)
		l.cur, full = nil, true
	}
	if l.cur == nil {
		l.cur, first = l.take(len(line)), !full
	}
	l.cur.b = append(l.cur.b, line...)
	l.cur.n++
	l.queued += len(line)
	l.stats.Records++
	l.mu.Unlock()
	l.encoders.Put(e)

	if full {
		signal(l.full)
	} else if first {
		signal(l.wake)
	}
}

// take returns an empty batch with room for n bytes. The caller holds mu.
func (l *Log) take(n int) *chunk {
	if k := len(l.spare); k > 0 && n <= chunkSize {
		c := l.spare[k-1]
		l.spare = l.spare[:k-1]
		return c
	}
	return &chunk{b: make([]byte, 0, max(n, chunkSize))}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Stats returns the counts so far.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Queued = l.queued
	return s
}

// Close stops taking records, writes out what is queued, and syncs and closes the segment. If the disk refuses, it
// tries again for a short time and then gives up: the records that are lost are counted as dropped and the error
// says how many and why. A second Close returns the same error.
func (l *Log) Close() error {
	l.mu.Lock()
	again := l.closed
	l.closed = true
	l.mu.Unlock()
	if !again {
		close(l.stop)
	}
	<-l.done
	return l.closeErr
}

const (
	firstRetry = 50 * time.Millisecond // after the first failed write; doubles
	lastRetry  = 5 * time.Second
	closeTries = 4 // of Close, firstRetry apart
)

// run is the writer's goroutine.
func (l *Log) run() {
	defer close(l.done)
	for {
		select {
		case <-l.wake:
			// A record waits. Others may join it until the flush interval is over or a batch is full.
			if !l.pause(l.o.Flush, l.full) {
				l.finish()
				return
			}
		case <-l.full:
		case <-l.stop:
			l.finish()
			return
		}
		for retry := firstRetry; !l.flush(); retry = min(2*retry, lastRetry) {
			if !l.pause(retry, nil) {
				l.finish()
				return
			}
		}
	}
}

// pause waits for d, or until early gives something. It reports false when the log is being closed.
func (l *Log) pause(d time.Duration, early <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-early:
	case <-l.stop:
		return false
	}
	return true
}

// flush writes what waits at its start. It reports false when the disk refused; what was not written stays queued, in
// order. The batch that is being filled is taken last, so that while the disk refuses it goes on filling: memory is
// used for lines, not for many batches of a few.
func (l *Log) flush() bool {
	l.mu.Lock()
	full := len(l.ready)
	l.mu.Unlock()
	l.writer.check()
	var err error
	for i := 0; i <= full && err == nil; i++ {
		err = l.flushOne(i == full)
	}

	l.mu.Lock()
	was := l.stats.Failing
	l.stats.Failing = err != nil
	l.stats.Segment = l.writer.path
	if err != nil {
		l.stats.Errors++
		l.stats.LastError = err
	}
	l.mu.Unlock()
	if l.o.Report != nil && (err != nil) != was {
		l.o.Report(err)
	}
	return err == nil
}

// flushOne writes the oldest full batch, or for last the one that is being filled, if it is the oldest.
func (l *Log) flushOne(last bool) error {
	l.mu.Lock()
	var c *chunk
	switch {
	case len(l.ready) > 0:
		c = l.ready[0]
		l.ready = slices.Delete(l.ready, 0, 1)
	case last && l.cur != nil:
		c, l.cur = l.cur, nil
	}
	l.mu.Unlock()
	if c == nil {
		return nil
	}

	err := l.writer.write(c.b)

	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.ready = slices.Insert(l.ready, 0, c)
		return err
	}
	l.queued -= len(c.b)
	l.stats.Written += c.n
	l.stats.Bytes += uint64(len(c.b))
	c.b, c.n = c.b[:0], 0
	if len(l.spare) < spareChunks && cap(c.b) == chunkSize {
		l.spare = append(l.spare, c)
	}
	return nil
}

// finish writes out what is queued when the log is closed.
func (l *Log) finish() {
	// The first flush may leave the batch that was being filled, when another one became full just before Close.
	for i := 0; i < closeTries && l.Stats().Queued > 0; i++ {
		if !l.flush() {
			time.Sleep(firstRetry)
		}
	}
	l.mu.Lock()
	if l.cur != nil {
		l.ready, l.cur = append(l.ready, l.cur), nil
	}
	lost := uint64(0)
	for _, c := range l.ready {
		lost += c.n
	}
	l.ready, l.queued = nil, 0
	l.stats.Dropped += lost
	cause := l.stats.LastError
	l.mu.Unlock()
	err := l.writer.close()
	if lost > 0 {
		if l.o.Drops != nil {
			l.o.Drops(int(lost))
		}
		err = fmt.Errorf("%d records were lost: %w", lost, cause)
	}
	if err != nil {
		l.closeErr = fmt.Errorf("call log: %w", err)
	}
}
