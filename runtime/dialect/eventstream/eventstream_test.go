package eventstream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

func frame(kind, name, payload string) []byte {
	return Append(nil, &Frame{Type: []byte(kind), Name: []byte(name), Payload: []byte(payload)})
}

// told is a frame, copied.
type told struct{ Type, Name, Message, Payload string }

// split reads a stream in pieces that end at the cuts.
func split(stream []byte, max int, cuts ...int) (all []told, inside bool, err error) {
	var s Splitter
	s.Reset(max)
	from := 0
	for _, to := range append(cuts, len(stream)) {
		piece := bytes.Clone(stream[from:to]) // so that nothing can alias what is gone
		from = to
		for len(piece) > 0 {
			var f Frame
			n, ok, err := s.Next(piece, &f)
			if err != nil {
				return all, s.Inside(), err
			}
			if ok {
				all = append(all, told{string(f.Type), string(f.Name), string(f.Message), string(f.Payload)})
			}
			piece = piece[n:]
		}
	}
	return all, s.Inside(), nil
}

// oracle reads a stream with the provider's own library.
func oracle(stream []byte) (all []told, err error) {
	d := sdk.NewDecoder()
	r := bytes.NewReader(stream)
	for r.Len() > 0 {
		m, err := d.Decode(r, nil)
		if err != nil {
			return all, err
		}
		text := func(name string) string {
			v, _ := m.Headers.Get(name).(sdk.StringValue)
			return string(v)
		}
		f := told{Type: text(":message-type"), Message: text(":error-message"), Payload: string(m.Payload)}
		switch f.Type {
		case "event":
			f.Name = text(":event-type")
		case "exception":
			f.Name = text(":exception-type")
		case "error":
			f.Name = text(":error-code")
		}
		all = append(all, f)
	}
	return all, nil
}

// odd is a frame by the provider's own library with a header of every type.
func odd(t testing.TB) []byte {
	var b bytes.Buffer
	m := sdk.Message{Payload: []byte("\x00payload"), Headers: sdk.Headers{
		{Name: "true", Value: sdk.BoolValue(true)}, {Name: "false", Value: sdk.BoolValue(false)}, {Name: "byte", Value: sdk.Int8Value(-1)},
		{Name: "short", Value: sdk.Int16Value(math.MinInt16)}, {Name: "int", Value: sdk.Int32Value(1)}, {Name: "long", Value: sdk.Int64Value(2)},
		{Name: "bytes", Value: sdk.BytesValue("abc")}, {Name: "text", Value: sdk.StringValue("text")}, {Name: "uuid", Value: sdk.UUIDValue{1, 2}},
		{Name: ":message-type", Value: sdk.StringValue("error")}, {Name: ":error-code", Value: sdk.StringValue("Odd")},
		{Name: ":error-message", Value: sdk.StringValue("it is odd")},
	}}
	if err := sdk.NewEncoder().Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sample(t testing.TB) []byte {
	stream := frame("event", "messageStart", `{"role":"assistant"}`)
	stream = append(stream, odd(t)...)
	stream = append(stream, frame("event", "messageStop", "")...)
	return append(stream, frame("exception", "throttlingException", `{"message":"slow down"}`)...)
}

func TestEveryCutGivesTheFramesThatTheSDKReads(t *testing.T) {
	stream := sample(t)
	want, err := oracle(stream)
	if err != nil {
		t.Fatal(err)
	}
	if len(want) != 4 || want[1].Message != "it is odd" || want[3].Name != "throttlingException" {
		t.Fatalf("the sample is not what it should be: %+v", want)
	}
	whole, _, err := split(stream, 0)
	if diff := cmp.Diff(want, whole); diff != "" || err != nil {
		t.Fatalf("mismatch (-want +got), error %v:\n%s", err, diff)
	}
	for a := range len(stream) {
		got, inside, err := split(stream, 0, a)
		if diff := cmp.Diff(want, got); diff != "" || inside || err != nil {
			t.Fatalf("cut at %d: mismatch (-want +got), inside %v, error %v:\n%s", a, inside, err, diff)
		}
		got, inside, err = split(stream, 0, a, min(a+5, len(stream)), min(a+20, len(stream)))
		if diff := cmp.Diff(want, got); diff != "" || inside || err != nil {
			t.Fatalf("cut at %d and more: mismatch (-want +got), inside %v, error %v:\n%s", a, inside, err, diff)
		}
	}
	bytewise := make([]int, len(stream))
	for i := range bytewise {
		bytewise[i] = i
	}
	if got, _, err := split(stream, 0, bytewise...); err != nil || !cmp.Equal(want, got) {
		t.Errorf("byte by byte: %+v, %v", got, err)
	}
}

func TestEveryFlippedBitIsRefused(t *testing.T) {
	stream := frame("event", "contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"hello"}}`)
	for i := range len(stream) * 8 {
		broken := bytes.Clone(stream)
		broken[i/8] ^= 1 << (i % 8)
		for _, cuts := range [][]int{nil, {1}, {20}, {len(stream) - 1}} {
			if got, _, err := split(broken, 0, cuts...); err == nil || len(got) != 0 {
				t.Fatalf("bit %d flipped, cut at %v: frames %+v, error %v", i, cuts, got, err)
			}
		}
	}
}

func TestATruncatedStreamIsInsideOfAFrame(t *testing.T) {
	stream := frame("event", "messageStop", `{"stopReason":"end_turn"}`)
	for n := range len(stream) {
		all, inside, err := split(stream[:n], 0)
		if len(all) != 0 || inside != (n > 0) || err != nil {
			t.Errorf("%d bytes: %d frames, inside %v, error %v", n, len(all), inside, err)
		}
	}
}

func TestFramesThatCannotBeAreRefused(t *testing.T) {
	// lie makes a frame of a prelude that is checked but false, and of headers as they are given.
	lie := func(length, headers uint32, rest string) []byte {
		b := binary.BigEndian.AppendUint32(nil, length)
		b = appendSum(binary.BigEndian.AppendUint32(b, headers))
		return appendSum(append(b, rest...))
	}
	header := func(raw string) []byte { return lie(uint32(16+len(raw)), uint32(len(raw)), raw) }
	for _, c := range []struct {
		name string
		b    []byte
		want error
	}{
		{"a length that leaves no room for the checksums", lie(15, 0, ""), ErrFrame},
		{"a length of nothing", lie(0, 0, ""), ErrFrame},
		{"headers longer than the frame", lie(20, 5, "abcd"), ErrFrame},
		{"headers longer than the format allows", lie(1<<20, 1<<17+1, ""), ErrFrame},
		{"a frame longer than the limit", lie(DefaultMax+1, 0, ""), ErrTooLong},
		{"the longest length that can be said", lie(math.MaxUint32, 0, ""), ErrTooLong},
		{"a header without a name", header("\x00\x07\x00\x01a"), ErrFrame},
		{"a header that ends in its name", header("\x05abc"), ErrFrame},
		{"a header without a type", header("\x01a"), ErrFrame},
		{"a header of a type that does not exist", header("\x01a\x0a"), ErrFrame},
		{"a text that ends in its length", header("\x01a\x07\x00"), ErrFrame},
		{"a text that is longer than the headers", header("\x01a\x07\x00\x05abc"), ErrFrame},
		{"a UUID that is cut", header("\x01a\x09abc"), ErrFrame},
		{"not an event stream at all", []byte(`{"message":"an error in JSON"}`), ErrChecksum},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, cuts := range [][]int{nil, {1}, {13}} {
				if _, _, err := split(c.b, 0, cuts...); !errors.Is(err, c.want) {
					t.Errorf("cut at %v: error %v, want %v", cuts, err, c.want)
				}
			}
		})
	}
}

func appendSum(b []byte) []byte { return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b)) }

func TestAFaultIsFinal(t *testing.T) {
	var s Splitter
	var f Frame
	good := frame("event", "messageStop", "{}")
	bad := bytes.Clone(good)
	bad[len(bad)-1]++
	if _, _, err := s.Next(bad, &f); err == nil {
		t.Fatal("a wrong checksum passed")
	}
	if _, ok, err := s.Next(good, &f); ok || err == nil {
		t.Error("a stream went on after its fault")
	}
	s.Reset(0)
	if _, ok, err := s.Next(good, &f); !ok || err != nil {
		t.Errorf("after Reset: %v, %v", ok, err)
	}
}

func TestFramesCostNoAllocation(t *testing.T) {
	b := frame("event", "contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"hello"}}`)
	var s Splitter
	var f Frame
	half := func() {
		for _, piece := range [][]byte{b[:50], b[50:], b} {
			if n, _, err := s.Next(piece, &f); err != nil || n != len(piece) {
				t.Fatal(n, err)
			}
		}
	}
	half()
	if n := testing.AllocsPerRun(100, half); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// recorded returns the event streams that were recorded from the provider, by file name.
func recorded(t testing.TB) map[string][]byte {
	root := os.Getenv("GWC_CORPORA")
	if root == "" {
		t.Skip("skipped: GWC_CORPORA is not set")
	}
	all := map[string][]byte{}
	for _, folder := range []string{
		"openllmetry/packages/opentelemetry-instrumentation-bedrock/tests",
		"otel-python-contrib/instrumentation/opentelemetry-instrumentation-botocore/tests",
	} {
		err := filepath.Walk(filepath.Join(root, "recordings", folder), func(f string, _ os.FileInfo, err error) error {
			if err != nil || filepath.Ext(f) != ".yaml" {
				return err
			}
			raw, err := os.ReadFile(f)
			if err != nil || !bytes.Contains(raw, []byte("amazon.eventstream")) {
				return err
			}
			var doc struct {
				Interactions []struct {
					Response struct {
						Body    struct{ String string }
						Headers map[string]any
					}
				}
			}
			if err := yaml.Unmarshal(raw, &doc); err != nil {
				return fmt.Errorf("%s: %w", f, err)
			}
			for n, i := range doc.Interactions {
				if strings.Contains(fmt.Sprint(i.Response.Headers), "amazon.eventstream") {
					all[fmt.Sprintf("%s#%d", filepath.Base(f), n)] = []byte(i.Response.Body.String)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestRecordedStreamsGiveTheFramesThatTheSDKReads(t *testing.T) {
	frames := 0
	streams := recorded(t)
	for name, stream := range streams {
		want, err := oracle(stream)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		frames += len(want)
		for _, cuts := range [][]int{nil, {len(stream) / 2}, {1, len(stream) / 3, len(stream) - 1}} {
			got, inside, err := split(stream, 0, cuts...)
			if diff := cmp.Diff(want, got); diff != "" || inside || err != nil {
				t.Fatalf("%s, cut at %v: mismatch (-want +got), inside %v, error %v:\n%s", name, cuts, inside, err, diff)
			}
		}
	}
	t.Logf("%d frames of %d streams", frames, len(streams))
	if len(streams) < 30 || frames < 500 {
		t.Errorf("only %d frames of %d streams were found", frames, len(streams))
	}
}

// FuzzFrames holds the splitter against the SDK's decoder: what one of them refuses the other does not accept, and what
// both accept is equal, however it is cut.
func FuzzFrames(f *testing.F) {
	f.Add(sample(f), uint16(7))
	f.Add(odd(f), uint16(30))
	f.Add(frame("event", "messageStop", `{"stopReason":"end_turn"}`)[:40], uint16(13))
	f.Fuzz(func(t *testing.T, stream []byte, cut uint16) {
		got, inside, err := split(stream, 1<<20, int(cut)%(len(stream)+1))
		whole, insideToo, errToo := split(stream, 1<<20)
		if !cmp.Equal(got, whole) || inside != insideToo || (err == nil) != (errToo == nil) {
			t.Fatalf("cut at %d: %+v, %v; whole: %+v, %v", cut, got, err, whole, errToo)
		}
		want, wantErr := oracle(stream)
		if len(got) > len(want) || !cmp.Equal(got, want[:len(got)]) {
			t.Fatalf("got %+v (%v), the SDK %+v (%v)", got, err, want, wantErr)
		}
		if len(got) < len(want) && !errors.Is(err, ErrFrame) && !errors.Is(err, ErrTooLong) {
			t.Fatalf("got %d frames (%v), the SDK %d", len(got), err, len(want))
		}
	})
}

func BenchmarkFrame(b *testing.B) {
	raw := frame("event", "contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"hello"},"p":"abcdefghijklmnopqrstuvwxyz"}`)
	b.Run("splitter", func(b *testing.B) {
		var s Splitter
		var f Frame
		b.ReportAllocs()
		for b.Loop() {
			if _, ok, err := s.Next(raw, &f); !ok || err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("sdk", func(b *testing.B) {
		d := sdk.NewDecoder()
		r := bytes.NewReader(raw)
		var payload []byte
		b.ReportAllocs()
		for b.Loop() {
			r.Reset(raw)
			if _, err := d.Decode(r, payload); err != nil {
				b.Fatal(err)
			}
		}
	})
}
