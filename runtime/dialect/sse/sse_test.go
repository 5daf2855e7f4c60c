package sse

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type event struct {
	Name, Data, ID string
	Retry          int64
	TooLong        bool
}

// split feeds stream cut at the given places.
func split(s *Splitter, stream []byte, cuts ...int) (got []event) {
	var ev Event
	at := 0
	for _, end := range append(cuts, len(stream)) {
		// A copy that is overwritten shows events that keep an alias too long.
		piece := bytes.Clone(stream[at:end])
		at = end
		for b := piece; len(b) > 0; {
			n, ok, err := s.Next(b, &ev)
			if ok {
				got = append(got, event{string(ev.Name), string(ev.Data), string(ev.ID), ev.Retry, false})
			}
			if errors.Is(err, ErrTooLong) {
				got = append(got, event{TooLong: true})
			}
			b = b[n:]
		}
		for i := range piece {
			piece[i] = '#'
		}
	}
	return got
}

// naive follows the standard's text over the whole stream at once.
func naive(stream []byte, limit int) (got []event) {
	text := strings.TrimPrefix(string(stream), "\ufeff")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	lines := strings.Split(text, "\n")
	last := lines[len(lines)-1]
	lines = lines[:len(lines)-1]
	ev, data, skipping := event{Retry: -1}, []string(nil), false
	over := func(line string) bool { return len(line)+len(strings.Join(data, "\n")) > limit }
	for _, line := range lines {
		if line == "" {
			if data != nil && !skipping {
				ev.Data = strings.Join(data, "\n")
				got = append(got, ev)
			}
			ev, data, skipping = event{ID: ev.ID, Retry: -1}, nil, false
			continue
		}
		if skipping {
			continue
		}
		if over(line) {
			got = append(got, event{TooLong: true})
			skipping, data = true, nil
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "data":
			data = append(data, value)
		case "event":
			ev.Name = value
		case "id":
			if !strings.Contains(value, "\x00") {
				ev.ID = value
			}
		case "retry":
			if n, err := strconv.ParseUint(value, 10, 63); err == nil && len(value) <= 15 && value[0] != '+' {
				ev.Retry = int64(n)
			}
		}
	}
	if !skipping && over(last) {
		got = append(got, event{TooLong: true})
	}
	return got
}

func TestEventsAreFoundInEveryForm(t *testing.T) {
	for _, c := range []struct {
		name, stream string
		want         []event
	}{
		{"an event", "data: x\n\n", []event{{Data: "x", Retry: -1}}},
		{"no space after the colon", "data:x\n\n", []event{{Data: "x", Retry: -1}}},
		{"only one space is taken", "data:  x\n\n", []event{{Data: " x", Retry: -1}}},
		{"CRLF", "event: a\r\ndata: x\r\n\r\ndata: y\r\n\r\n", []event{{Name: "a", Data: "x", Retry: -1}, {Data: "y", Retry: -1}}},
		{"CR alone", "event: a\rdata: x\r\rdata: y\r\r", []event{{Name: "a", Data: "x", Retry: -1}, {Data: "y", Retry: -1}}},
		{"mixed ends", "data: x\r\n\ndata: y\n\rdata: z\r\n\r\n", []event{{Data: "x", Retry: -1}, {Data: "y", Retry: -1}, {Data: "z", Retry: -1}}},
		{"a byte order mark", "\ufeffdata: x\n\n", []event{{Data: "x", Retry: -1}}},
		{"half a byte order mark is text", "\xef\xbbdata: x\n\ndata: y\n\n", []event{{Data: "y", Retry: -1}}},
		{"comments", ": ping\n\n:\n: x\ndata: x\n: y\n\n", []event{{Data: "x", Retry: -1}}},
		{"several data lines", "data: a\ndata\ndata: b\n\n", []event{{Data: "a\n\nb", Retry: -1}}},
		{"empty data is an event", "data:\n\n", []event{{Data: "", Retry: -1}}},
		{"no data is no event and forgets the name", "event: a\n\ndata: x\n\n", []event{{Data: "x", Retry: -1}}},
		{"id and retry", "id: 7\nretry: 1500\ndata: x\n\ndata: y\nretry: 1x\n\n", []event{{Data: "x", ID: "7", Retry: 1500}, {Data: "y", ID: "7", Retry: -1}}},
		{"an id with NUL is ignored", "id: 7\nid: a\x00b\ndata: x\n\n", []event{{Data: "x", ID: "7", Retry: -1}}},
		{"unknown fields are ignored", "foo: bar\ndatax: y\ndata: x\n\n", []event{{Data: "x", Retry: -1}}},
		{"an event without its blank line is not dispatched", "data: x\n\ndata: y\n", []event{{Data: "x", Retry: -1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s Splitter
			if diff := cmp.Diff(c.want, split(&s, []byte(c.stream))); diff != "" {
				t.Fatalf("whole: mismatch (-want +got):\n%s", diff)
			}
			for i := range len(c.stream) {
				for j := i; j < len(c.stream); j++ {
					s.Reset(0)
					if diff := cmp.Diff(c.want, split(&s, []byte(c.stream), i, j)); diff != "" {
						t.Fatalf("cut at %d and %d: mismatch (-want +got):\n%s", i, j, diff)
					}
				}
			}
		})
	}
}

func TestTooLongEventsAreReportedOnceAndSkipped(t *testing.T) {
	long := strings.Repeat("x", 40)
	stream := "data: a\n\ndata: " + long + "\ndata: more\n\n: " + long + "\ndata: lost\n\ndata: b\n\n"
	want := []event{{Data: "a", Retry: -1}, {TooLong: true}, {TooLong: true}, {Data: "b", Retry: -1}}
	for cut := range len(stream) {
		var s Splitter
		s.Reset(32)
		if diff := cmp.Diff(want, split(&s, []byte(stream), cut)); diff != "" {
			t.Fatalf("cut at %d: mismatch (-want +got):\n%s", cut, diff)
		}
	}
}

func TestMemoryStaysWithinTheLimit(t *testing.T) {
	var s Splitter
	s.Reset(1 << 10)
	piece := bytes.Repeat([]byte("x"), 4096)
	var ev Event
	for range 1000 {
		s.Next(piece, &ev)
	}
	if held := cap(s.line) + cap(s.data); held > 8<<10 {
		t.Errorf("%d bytes held for a limit of 1024", held)
	}
}

func TestEndGivesAnEventWithoutItsBlankLine(t *testing.T) {
	for _, stream := range []string{"data: x", "data: x\n", "data: x\r\n", "event: a\ndata: x"} {
		var s Splitter
		var ev Event
		split(&s, []byte(stream))
		if !s.End(&ev) || string(ev.Data) != "x" {
			t.Errorf("%q: End gives %q", stream, ev.Data)
		}
		if s.End(&ev) {
			t.Errorf("%q: End gives the event twice", stream)
		}
	}
}

func TestWholeEventsAllocateNothing(t *testing.T) {
	stream := []byte("event: content_block_delta\ndata: {\"type\":\"x\"}\n\n: ping\n\ndata: {\"a\":1}\r\n\r\n")
	var s Splitter
	var ev Event
	if n := testing.AllocsPerRun(100, func() {
		for b := stream; len(b) > 0; {
			n, _, _ := s.Next(b, &ev)
			b = b[n:]
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func FuzzSplitterAgreesWithNaive(f *testing.F) {
	for _, s := range []string{"data: x\n\n", "event: a\r\ndata: x\r\n\r\n", "\ufeffdata: x\r\rid: 7\r\n", ": c\n\nretry: 12\ndata\ndata\n\n", "data: " + strings.Repeat("y", 70) + "\n\ndata: z\n\n"} {
		f.Add([]byte(s), uint64(1))
	}
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		const limit = 48
		want := naive(stream, limit)
		r := rand.New(rand.NewPCG(seed, 1))
		var cuts []int
		for at := 0; at < len(stream); {
			cuts = append(cuts, at)
			at += 1 + r.IntN(12)
		}
		var s Splitter
		s.Reset(limit)
		if diff := cmp.Diff(want, split(&s, stream)); diff != "" {
			t.Fatalf("whole %q: mismatch (-want +got):\n%s", stream, diff)
		}
		s.Reset(limit)
		if diff := cmp.Diff(want, split(&s, stream, cuts...)); diff != "" {
			t.Fatalf("%q cut at %v: mismatch (-want +got):\n%s", stream, cuts, diff)
		}
	})
}

func BenchmarkEvent(b *testing.B) {
	stream := []byte(`data: {"id":"chatcmpl-9xYz","object":"chat.completion.chunk","created":1777319932,"model":"gpt-5-mini-2025-08-07","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":" hello"},"finish_reason":null}],"usage":null}` + "\n\n")
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	var s Splitter
	var ev Event
	for b.Loop() {
		if n, ok, _ := s.Next(stream, &ev); !ok || n != len(stream) {
			b.Fatal("no event")
		}
	}
}
