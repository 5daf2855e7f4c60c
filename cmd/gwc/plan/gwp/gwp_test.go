package gwp

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/match"
	"github.com/gwc-dev/gwc/schema/artifact/sign"
)

func built(t testing.TB, admin string) ([]byte, artifact.Digest) {
	t.Helper()
	table, _ := match.Build(nil)
	b, err := artifact.Encode(&artifact.Artifact{Gateway: artifact.Gateway{Admin: admin}, Table: table})
	if err != nil {
		t.Fatal(err)
	}
	_, d, err := artifact.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	return b, d
}

func sample(t testing.TB) *Plan {
	t.Helper()
	b, d := built(t, "127.0.0.1:1")
	return &Plan{Tool: "gwc test", Base: artifact.Digest{1}, What: "HEAD (1a2b)", Target: d, Text: []byte("{\"changes\": []}\n"), Artifact: b}
}

func encoded(t testing.TB, p *Plan) []byte {
	t.Helper()
	b, _, err := Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	p := sample(t)
	b, d, err := Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	got, e, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, got); diff != "" || d != e {
		t.Errorf("digests %s and %s, mismatch (-want +got)\n%s", d, e, diff)
	}
}

func TestSigningTheArtifactKeepsThePlansDigest(t *testing.T) {
	k, err := sign.Generate("ci")
	if err != nil {
		t.Fatal(err)
	}
	p := sample(t)
	_, before, err := Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	if p.Artifact, err = sign.Add(p.Artifact, k); err != nil {
		t.Fatal(err)
	}
	b, after, err := Encode(p)
	if err != nil || before != after {
		t.Errorf("the digest was %s and is %s (%v)", before, after, err)
	}
	got, _, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := (sign.Policy{Keys: []sign.PublicKey{k.Public()}}).Check(got.Artifact); err != nil {
		t.Error(err)
	}
}

func TestEveryFlippedBitAndEveryCutIsRefused(t *testing.T) {
	b := encoded(t, sample(t))
	for i := range b {
		for bit := range 8 {
			x := bytes.Clone(b)
			x[i] ^= 1 << bit
			if _, _, err := Decode(x); err == nil {
				t.Fatalf("bit %d of byte %d does not matter", bit, i)
			}
		}
		if _, _, err := Decode(b[:i]); err == nil {
			t.Fatalf("%d of %d bytes are taken", i, len(b))
		}
	}
}

func TestPlansThatAreRefused(t *testing.T) {
	p := sample(t)
	good := encoded(t, p)
	edit := func(f func(b []byte)) []byte {
		b := bytes.Clone(good)
		f(b)
		return b
	}
	framed := func(content []byte) []byte {
		b := binary.BigEndian.AppendUint64(append([]byte(Magic), 0, 1, 0, 0), uint64(len(content)))
		b = append(b, content...)
		d := sha256.Sum256(b)
		return append(append(b, d[:]...), p.Artifact...)
	}
	other, _ := built(t, "127.0.0.1:2")
	n := headerSize + int(binary.BigEndian.Uint64(good[8:])) + sha256.Size
	for _, tt := range []struct {
		name string
		b    []byte
		want error
	}{
		{"nothing", nil, ErrTruncated},
		{"another kind of file", []byte("GWCA"), ErrFormat},
		{"a future format", edit(func(b []byte) { b[5] = 2 }), ErrNewer},
		{"format 0", edit(func(b []byte) { b[5] = 0 }), ErrFormat},
		{"a length beyond the limit", edit(func(b []byte) { b[8] = 1 }), ErrTooLarge},
		{"no artifact", good[:n], ErrTruncated},
		{"an artifact that is cut off", good[:len(good)-1], artifact.ErrTruncated},
		{"another artifact", append(bytes.Clone(good[:n]), other...), ErrDigest},
		{"bytes after the end", append(bytes.Clone(good), 0), artifact.ErrFormat},
		{"content that is none", framed([]byte{0x01}), ErrContent},
		{"content with an unknown field", framed([]byte{0xa1, 0x09, 0x01}), ErrContent},
		{"an empty map", framed([]byte{0xa0}), ErrContent},
	} {
		if _, _, err := Decode(tt.b); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
	for name, f := range map[string]func(p *Plan){
		"text that is not JSON":       func(p *Plan) { p.Text = []byte("{") },
		"a name that is not UTF-8":    func(p *Plan) { p.What = "\xff" },
		"an artifact of another plan": func(p *Plan) { p.Artifact = other },
		"no artifact":                 func(p *Plan) { p.Artifact = nil },
	} {
		x := *p
		f(&x)
		if _, _, err := Encode(&x); err == nil {
			t.Errorf("%s is written", name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	good := encoded(f, sample(f))
	f.Add(good)
	f.Add(good[:40])
	f.Add([]byte("GWCP\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\xa0"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, _, err := Decode(b)
		if err != nil {
			return
		}
		if again := encoded(t, p); !bytes.Equal(again, b) {
			t.Error("what was read is written otherwise")
		}
	})
}
