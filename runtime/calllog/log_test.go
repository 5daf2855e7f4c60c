package calllog

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("GWC_TEST_CALLLOG_CHILD"); dir != "" {
		child(dir)
	}
	goleak.VerifyTestMain(m)
}

func open(t *testing.T, o Options) *Log {
	t.Helper()
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// numbered is a record whose request id is a number.
func numbered(i int) *Record {
	return &Record{Time: time.Unix(1795384500, 0), RequestID: strconv.Itoa(i), Route: "petstore.listPets", Status: 200}
}

// segments returns the log's files in order of their names.
func segments(t *testing.T, dir string) []string {
	t.Helper()
	l, err := filepath.Glob(filepath.Join(dir, "*.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(l)
	return l
}

// ids returns the request ids of all records in all segments, in order, and fails the test at a line that is none.
func ids(t *testing.T, dir string) []int {
	t.Helper()
	var l []int
	for _, path := range segments(t, dir) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		l = append(l, parse(t, path, b)...)
	}
	return l
}

func parse(t *testing.T, name string, b []byte) []int {
	t.Helper()
	if len(b) > 0 && b[len(b)-1] != '\n' {
		t.Errorf("%s ends in the middle of a line", name)
	}
	var l []int
	s := bufio.NewScanner(bytes.NewReader(b))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var r struct {
			RequestID string `json:"request_id"`
		}
		if err := json.Unmarshal(s.Bytes(), &r); err != nil {
			t.Fatalf("%s: %v in %.200q", name, err, s.Text())
		}
		n, err := strconv.Atoi(r.RequestID)
		if err != nil {
			t.Fatal(err)
		}
		l = append(l, n)
	}
	return l
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func upTo(n int) []int {
	l := make([]int, n)
	for i := range l {
		l[i] = i
	}
	return l
}

func TestCloseWritesEverythingInOrder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "calls")
	l := open(t, Options{Dir: dir, Flush: time.Hour})
	const n = 2000 // several batches
	for i := range n {
		l.Append(numbered(i))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(upTo(n), ids(t, dir)); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
	s := l.Stats()
	info, err := os.Stat(s.Segment)
	if err != nil {
		t.Fatal(err)
	}
	want := Stats{Records: n, Written: n, Bytes: uint64(info.Size()), Segment: segments(t, dir)[0]}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("stats: mismatch (-want +got):\n%s", diff)
	}
	if got := info.Mode().Perm(); got&^0o640 != 0 {
		t.Errorf("the segment has mode %o", got)
	}
	if info, err = os.Stat(dir); err != nil || info.Mode().Perm()&^0o750 != 0 {
		t.Errorf("the folder has mode %v, %v", info.Mode(), err)
	}
}

func TestNothingToWriteMakesNoFile(t *testing.T) {
	dir := t.TempDir()
	if err := open(t, Options{Dir: dir}).Close(); err != nil {
		t.Fatal(err)
	}
	if got := segments(t, dir); len(got) != 0 {
		t.Errorf("made %v", got)
	}
}

func TestRecordIsWrittenAfterTheFlushInterval(t *testing.T) {
	dir := t.TempDir()
	l := open(t, Options{Dir: dir, Flush: 5 * time.Millisecond})
	for i := range 3 {
		l.Append(numbered(i))
		until(t, "the record is in the file", func() bool { return l.Stats().Written == uint64(i+1) })
		if diff := cmp.Diff(upTo(i+1), ids(t, dir)); diff != "" {
			t.Fatalf("mismatch (-want +got):\n%s", diff)
		}
	}
}

func TestFullBatchIsWrittenBeforeTheFlushInterval(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir(), Flush: time.Hour})
	line := len(encodeString(numbered(1000)))
	for i := range chunkSize/line + 2 {
		l.Append(numbered(1000 + i))
	}
	until(t, "a batch is written", func() bool { return l.Stats().Written > 0 })
}

func TestConcurrentAppends(t *testing.T) {
	dir := t.TempDir()
	l := open(t, Options{Dir: dir, Flush: time.Millisecond, MaxBytes: 100_000})
	const workers, each = 8, 2000
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				l.Append(numbered(w*each + i))
			}
		})
	}
	wg.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got := ids(t, dir)
	slices.Sort(got)
	if diff := cmp.Diff(upTo(workers*each), got); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func TestRotation(t *testing.T) {
	dir := t.TempDir()
	const limit, n = 150_000, 5000
	l := open(t, Options{Dir: dir, Flush: time.Hour, MaxBytes: limit})
	for i := range n {
		l.Append(numbered(i))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	files := segments(t, dir)
	if len(files) < 3 {
		t.Errorf("%d segments", len(files))
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Size() > limit {
			t.Errorf("%s has %d bytes, %v", f, info.Size(), err)
		}
	}
	// The order of names is the order of records.
	if diff := cmp.Diff(upTo(n), ids(t, dir)); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func TestRecordLongerThanABatchOrASegment(t *testing.T) {
	dir := t.TempDir()
	l := open(t, Options{Dir: dir, Flush: time.Hour, MaxBytes: 10})
	r := numbered(1)
	r.NAttempt = MaxAttempts
	for i := range r.Attempts {
		long := strings.Repeat("\x01", maxText) // six bytes each in JSON
		r.Attempts[i] = Attempt{Provider: long, Model: long, Target: long, Error: long}
	}
	l.Append(numbered(0))
	l.Append(r)
	l.Append(numbered(2))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(upTo(3), ids(t, dir)); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func TestSegmentNamesGrow(t *testing.T) {
	dir := t.TempDir()
	w := writer{dir: dir, create: createSegment, max: 1}
	var names []string
	for i := range 50 { // faster than the clock's step
		if i == 25 {
			w.last = w.last.Add(time.Hour) // as if the clock went back by an hour
		}
		if err := w.write([]byte("{}\n")); err != nil {
			t.Fatal(err)
		}
		names = append(names, w.path)
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	if !slices.IsSorted(names) || len(slices.Compact(names)) != 50 {
		t.Errorf("names do not grow: %v", names)
	}
}

func TestTwoLogsShareAFolder(t *testing.T) {
	dir := t.TempDir()
	var logs []*Log
	for range 3 {
		logs = append(logs, open(t, Options{Dir: dir, Flush: time.Millisecond, MaxBytes: 1000}))
	}
	const n = 300
	var wg sync.WaitGroup
	for i, l := range logs {
		wg.Go(func() {
			for j := range n {
				l.Append(numbered(i*n + j))
				if j%10 == 0 {
					time.Sleep(time.Millisecond)
				}
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got := ids(t, dir)
	slices.Sort(got)
	if diff := cmp.Diff(upTo(3*n), got); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func TestFolderRemovedWhileRunning(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "calls")
	l := open(t, Options{Dir: dir, Flush: time.Millisecond})
	l.Append(numbered(0))
	until(t, "the first record is written", func() bool { return l.Stats().Written == 1 })
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	l.Append(numbered(1))
	until(t, "the second record is written", func() bool { return l.Stats().Written == 2 })
	if diff := cmp.Diff([]int{1}, ids(t, dir)); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func TestSegmentMovedAwayWhileRunning(t *testing.T) {
	dir := t.TempDir()
	l := open(t, Options{Dir: dir, Flush: time.Millisecond})
	l.Append(numbered(0))
	until(t, "the first record is written", func() bool { return l.Stats().Written == 1 })
	moved := filepath.Join(t.TempDir(), "moved.ndjson")
	if err := os.Rename(l.Stats().Segment, moved); err != nil {
		t.Fatal(err)
	}
	l.Append(numbered(1))
	until(t, "the second record is written", func() bool { return l.Stats().Written == 2 })
	if diff := cmp.Diff([]int{1}, ids(t, dir)); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
	b, err := os.ReadFile(moved)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{0}, parse(t, moved, b)); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

// disk is a disk with little room.
type disk struct {
	mu       sync.Mutex
	free     int
	stuck    bool // Truncate fails too
	opens    int
	failOpen error
}

func (d *disk) create(path string) (segment, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.opens++
	if d.failOpen != nil {
		return nil, d.failOpen
	}
	f, err := createSegment(path)
	if err != nil {
		return nil, err
	}
	return &diskFile{disk: d, segment: f}, nil
}

func (d *disk) set(f func(d *disk)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(d)
}

type diskFile struct {
	disk *disk
	segment
	size int64
}

// Write takes what there is room for, as a file system does.
func (f *diskFile) Write(b []byte) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	n, err := f.segment.Write(b[:min(len(b), f.disk.free)])
	f.disk.free -= n
	f.size += int64(n)
	if err == nil && n < len(b) {
		err = &fs.PathError{Op: "write", Path: "calls", Err: syscall.ENOSPC}
	}
	return n, err
}

func (f *diskFile) Truncate(size int64) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.stuck {
		return &fs.PathError{Op: "truncate", Path: "calls", Err: syscall.EIO}
	}
	f.disk.free += int(f.size - size)
	f.size = size
	return f.segment.Truncate(size)
}

func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	d := &disk{free: 1000}
	var mu sync.Mutex
	var reports []string
	drops := 0
	l := open(t, Options{
		Dir: dir, Flush: time.Millisecond, MaxQueue: 100_000, create: d.create,
		Drops: func(n int) { mu.Lock(); drops += n; mu.Unlock() },
		Report: func(err error) {
			mu.Lock()
			defer mu.Unlock()
			reports = append(reports, fmt.Sprint(err))
		},
	})
	i := 0
	for ; l.Stats().Errors == 0; i++ {
		l.Append(numbered(i))
		time.Sleep(time.Millisecond)
	}
	written := ids(t, dir) // also holds that no part of a line is there
	if len(written) == 0 || uint64(len(written)) != l.Stats().Written {
		t.Errorf("%d records are in the file, %d were counted", len(written), l.Stats().Written)
	}
	for ; l.Stats().Dropped < 10; i++ {
		l.Append(numbered(i))
	}
	s := l.Stats()
	if !s.Failing || !errors.Is(s.LastError, syscall.ENOSPC) || s.Queued > 100_000 {
		t.Errorf("while the disk is full: %+v", s)
	}
	d.set(func(d *disk) { d.free = 1 << 30 })
	until(t, "everything that was queued is written", func() bool { s := l.Stats(); return s.Queued == 0 && s.Written == s.Records })
	l.Append(numbered(i))
	i++
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s = l.Stats()
	if s.Failing || s.LastError == nil {
		t.Errorf("after it has healed: %+v", s)
	}
	// What is missing is what was dropped, in one piece: the records between the full queue and the healing.
	got := ids(t, dir)
	if !slices.IsSorted(got) || len(got)+int(s.Dropped) != i || got[len(got)-1] != i-1 {
		t.Errorf("%d records in the file, %d dropped, of %d", len(got), s.Dropped, i)
	}
	mu.Lock()
	defer mu.Unlock()
	if drops != int(s.Dropped) {
		t.Errorf("Drops was told of %d, Stats says %d", drops, s.Dropped)
	}
	if diff := cmp.Diff([]string{"write calls: no space left on device", "<nil>"}, reports); diff != "" {
		t.Errorf("reports: mismatch (-want +got):\n%s", diff)
	}
}

func TestDiskThatCannotEvenCutBack(t *testing.T) {
	dir := t.TempDir()
	d := &disk{free: 1 << 20}
	l := open(t, Options{Dir: dir, Flush: time.Millisecond, create: d.create})
	l.Append(numbered(0))
	until(t, "the first record is written", func() bool { return l.Stats().Written == 1 })
	d.set(func(d *disk) { d.free, d.stuck = 10, true })
	l.Append(numbered(1))
	until(t, "the write fails", func() bool { return l.Stats().Failing })
	d.set(func(d *disk) { d.free, d.stuck = 1<<20, false })
	until(t, "the second record is written", func() bool { return l.Stats().Written == 2 })
	files := segments(t, dir)
	if len(files) < 2 {
		t.Fatalf("segments %v", files)
	}
	// The torn line is the last of a segment that is never written again; the record is whole in another one.
	first, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if whole, torn, _ := bytes.Cut(first, []byte("\n")); len(whole) == 0 || len(torn) != 10 {
		t.Errorf("the first segment holds %q", first)
	}
	last, err := os.ReadFile(files[len(files)-1])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{1}, parse(t, "the last segment", last)); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func TestCloseOnAFullDiskSaysWhatIsLost(t *testing.T) {
	d := &disk{}
	told := 0
	l := open(t, Options{Dir: t.TempDir(), Flush: time.Hour, create: d.create, Drops: func(n int) { told += n }})
	const n = 1000
	for i := range n {
		l.Append(numbered(i))
	}
	err := l.Close()
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "call log: 1000 records were lost") {
		t.Errorf("Close says %v", err)
	}
	if again := l.Close(); again != err {
		t.Errorf("a second Close says %v", again)
	}
	l.Append(numbered(n))
	if s := l.Stats(); s.Dropped != n+1 || told != n+1 || s.Queued != 0 || s.Records != n {
		t.Errorf("%+v, told of %d", s, told)
	}
}

func TestFolderThatCannotBeWrittenHeals(t *testing.T) {
	dir := t.TempDir()
	d := &disk{free: 1 << 20, failOpen: &fs.PathError{Op: "open", Path: "calls", Err: syscall.EMFILE}}
	l := open(t, Options{Dir: dir, Flush: time.Millisecond, create: d.create})
	l.Append(numbered(0))
	until(t, "the failure is seen", func() bool { return l.Stats().Failing })
	d.set(func(d *disk) { d.failOpen = nil })
	until(t, "the record is written", func() bool { return l.Stats().Written == 1 })
	if diff := cmp.Diff(upTo(1), ids(t, dir)); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

// TestFailingDiskDoesNotTakeMoreMemory holds that while a disk refuses, records that trickle in share a batch: each
// retry must not strand the batch that is being filled.
func TestFailingDiskDoesNotTakeMoreMemory(t *testing.T) {
	d := &disk{}
	l := open(t, Options{Dir: t.TempDir(), Flush: time.Millisecond, create: d.create})
	for i := range 10 {
		errs := l.Stats().Errors
		l.Append(numbered(i))
		if i < 4 { // the retries grow long
			until(t, "another retry", func() bool { return l.Stats().Errors > errs })
		}
	}
	l.mu.Lock()
	batches := len(l.ready)
	if l.cur != nil {
		batches++
	}
	l.mu.Unlock()
	if batches > 2 {
		t.Errorf("10 records take %d batches", batches)
	}
	d.set(func(d *disk) { d.free = 1 << 20 })
}

// stuckFile is a disk that does not answer.
type stuckFile struct {
	segment
	writing chan struct{}
	release chan struct{}
}

func (f *stuckFile) Write(b []byte) (int, error) {
	select {
	case f.writing <- struct{}{}:
	default:
	}
	<-f.release
	return f.segment.Write(b)
}

func TestAppendNeverWaitsForTheDisk(t *testing.T) {
	dir := t.TempDir()
	writing, release := make(chan struct{}, 1), make(chan struct{})
	l := open(t, Options{Dir: dir, Flush: time.Millisecond, MaxQueue: 1 << 20, create: func(path string) (segment, error) {
		f, err := createSegment(path)
		return &stuckFile{f, writing, release}, err
	}})
	l.Append(numbered(0))
	<-writing
	// The writer is inside a write now, and stays there. If Append waited for it, this would never end.
	i := 1
	for ; l.Stats().Dropped == 0; i++ {
		l.Append(numbered(i))
	}
	if q := l.Stats().Queued; q > 1<<20 {
		t.Errorf("%d bytes are queued", q)
	}
	close(release)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(upTo(i-1), ids(t, dir)); diff != "" {
		t.Errorf("mismatch (-want +got):\n%s", diff)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ dir, want string }{
		"no folder":                {"", "call log: no folder is set"},
		"a file":                   {file, "call log: mkdir FILE: not a directory"},
		"a folder below a file":    {filepath.Join(file, "calls"), "call log: mkdir FILE: not a directory"},
		"a folder of the kernel's": {"/proc/sys", "call log: no files can be made in /proc/sys: read-only file system"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := Open(Options{Dir: tt.dir})
			if err == nil {
				l.Close()
				if tt.dir == "/proc/sys" {
					t.Skip("skipped: /proc/sys can be written here")
				}
				t.Fatal("no error")
			}
			if tt.dir == "/proc/sys" {
				if !strings.Contains(err.Error(), "/proc/sys") {
					t.Errorf("%v does not name the folder", err)
				}
				return
			}
			if diff := cmp.Diff(tt.want, strings.ReplaceAll(err.Error(), file, "FILE")); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

// child appends records until it is killed. It tells on stdout when the first hundred are written.
func child(dir string) {
	l, err := Open(Options{Dir: dir, Flush: 20 * time.Millisecond, MaxBytes: 1 << 20})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for i := range 100 {
		l.Append(numbered(i))
	}
	for l.Stats().Written < 100 {
		time.Sleep(time.Millisecond)
	}
	fmt.Println("written")
	for i := 100; ; i++ {
		l.Append(numbered(i))
		if i%50 == 0 {
			time.Sleep(100 * time.Microsecond)
		}
	}
}

func TestKilledProcess(t *testing.T) {
	for range 3 {
		dir := t.TempDir()
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "GWC_TEST_CALLLOG_CHILD="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil || line != "written\n" {
			t.Fatalf("the child says %q, %v", line, err)
		}
		time.Sleep(30 * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()

		files := segments(t, dir)
		var got []int
		for i, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if i == len(files)-1 {
				b = b[:bytes.LastIndexByte(b, '\n')+1] // the kernel may stop a write of a killed process half-way
			}
			got = append(got, parse(t, f, b)...)
		}
		if len(got) < 100 {
			t.Errorf("%d records are left, 100 were flushed", len(got))
		}
		if diff := cmp.Diff(upTo(len(got)), got); diff != "" {
			t.Errorf("records are missing before the last: mismatch (-want +got):\n%s", diff)
		}

		// The next process begins a segment of its own.
		l := open(t, Options{Dir: dir})
		l.Append(numbered(7))
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if now := segments(t, dir); len(now) != len(files)+1 {
			t.Errorf("%d segments after %d", len(now), len(files))
		}
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	if underRace {
		t.Skip("skipped: the race detector changes sync.Pool")
	}
	l := open(t, Options{Dir: t.TempDir(), Flush: time.Hour, MaxQueue: 64 << 20})
	r := aRecord()
	// Past the first batches, whose memory is then reused.
	for range 2000 {
		l.Append(r)
	}
	until(t, "full batches are written", func() bool { return l.Stats().Queued < 2*chunkSize })
	if n := testing.AllocsPerRun(1000, func() { l.Append(r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// nowhere is a disk that takes everything at once: what is measured is Append, not the memory bandwidth of write(2).
type nowhere struct{ segment }

func (nowhere) Write(b []byte) (int, error) { return len(b), nil }

func createNowhere(path string) (segment, error) {
	f, err := createSegment(path)
	return nowhere{f}, err
}

func BenchmarkAppend(b *testing.B) {
	for name, create := range map[string]func(string) (segment, error){"nowhere": createNowhere, "file": createSegment} {
		b.Run(name, func(b *testing.B) {
			l, err := Open(Options{Dir: b.TempDir(), MaxQueue: 256 << 20, create: create})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			r := aRecord()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				l.Append(r)
				if i%64 == 0 {
					runtime.Gosched() // a server's goroutines wait now and then, which lets the writer keep up
				}
			}
		})
	}
}

func BenchmarkAppendParallel(b *testing.B) {
	l, err := Open(Options{Dir: b.TempDir(), MaxQueue: 256 << 20, create: createNowhere})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		r := aRecord()
		for pb.Next() {
			l.Append(r)
		}
	})
}
