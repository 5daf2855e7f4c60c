package artifact

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/fxamacker/cbor/v2"
)

// The wire form, all numbers big-endian:
//
//	offset  bytes
//	0       4     magic "GWCA"
//	4       2     format version: how to read this file
//	6       2     minimum runtime version: what a runtime must be able to do to serve it
//	8       8     n, the length of the content
//	16      n     content: one map in canonical CBOR (RFC 8949 §4.2.1) whose entries are the sections, by the
//	              integer keys of Artifact's fields
//	16+n    32    SHA-256 of all bytes before: the digest
//	48+n    4     m, the length of the signatures
//	52+n    m     signatures: a signed note (golang.org/x/mod/sumdb/note) over [SignedText]. It comes after what the
//	              digest covers, so signing changes no digest. Package sign makes and judges it.
const (
	magic      = "GWCA"
	headerSize = 16
	// Format is the newest format version that this package reads, and the one that it writes.
	Format = 1
	// Runtime is the version of the runtime's abilities that this package describes.
	Runtime = 1
	// MaxSize is the greatest length of an artifact: about 400,000 routes.
	MaxSize = 64 << 20
	// MaxSignatures is the greatest length of the signatures, in bytes: about 500 of them.
	MaxSignatures = 64 << 10
	// maxElements bounds arrays: what the elements take in memory may be 40 times what they take in the file.
	maxElements = 1 << 20
)

// Why an artifact was refused. Every error of [Decode] wraps one of them; its text says more.
var (
	// ErrTruncated: the file ends before its own length says so.
	ErrTruncated = errors.New("the artifact is cut off")
	// ErrDigest: the content is not what the digest was made of.
	ErrDigest = errors.New("the artifact is damaged")
	// ErrFormat: this is not an artifact, or its frame is wrong.
	ErrFormat = errors.New("not a gwc artifact")
	// ErrNewer: the artifact needs a newer binary.
	ErrNewer = errors.New("the artifact is newer than this binary")
	// ErrTooLarge: the artifact is larger than the limit.
	ErrTooLarge = errors.New("the artifact is too large")
	// ErrContent: frame and digest are right, but the content is not what a compiler writes.
	ErrContent = errors.New("the artifact's content is invalid")
)

// Digest identifies an artifact: the SHA-256 of its header and content.
type Digest [sha256.Size]byte

// String returns "sha256:" and 64 hex digits.
func (d Digest) String() string { return "sha256:" + hex.EncodeToString(d[:]) }

// Short returns the first 12 hex digits, for people.
func (d Digest) Short() string { return hex.EncodeToString(d[:6]) }

// ParseDigest reads what [Digest.String] writes.
func ParseDigest(s string) (d Digest, err error) {
	text, ok := strings.CutPrefix(s, "sha256:")
	if n, e := hex.Decode(d[:], []byte(text[:min(len(text), 2*len(d))])); !ok || e != nil || n != len(d) || len(text) != 2*len(d) || text != strings.ToLower(text) {
		return Digest{}, fmt.Errorf("%q is not a digest, \"sha256:\" and 64 hex digits", s)
	}
	return d, nil
}

// modes returns how CBOR is written and read. The options are constants, so it cannot fail.
func modes() (cbor.UserBufferEncMode, cbor.DecMode) {
	enc, err := cbor.CoreDetEncOptions().UserBufferEncMode()
	if err != nil {
		panic(err)
	}
	dec, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		MaxNestedLevels:   12,
		MaxArrayElements:  maxElements,
		MaxMapPairs:       32,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
		UTF8:              cbor.UTF8RejectInvalid,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return enc, dec
}

// Encode returns the bytes of an artifact: the same for the same artifact, on any machine. It refuses what [Decode]
// would refuse, with ErrContent or ErrTooLarge.
func Encode(a *Artifact) ([]byte, error) {
	// The two take equally long and neither changes the artifact.
	invalid := make(chan error, 1)
	go func() { invalid <- a.Validate() }()
	b, err := encode(a)
	if e := <-invalid; e != nil {
		return nil, e
	}
	return b, err
}

func encode(a *Artifact) ([]byte, error) {
	enc, _ := modes()
	// The content is written behind room for the header, into memory for what most artifacts take: growing and copying
	// is most of the work else.
	var b bytes.Buffer
	b.Grow(4096 + 256*len(a.Routes) + 128*len(a.Provenance.Sources))
	b.Write(make([]byte, headerSize))
	if err := enc.MarshalToBuffer(a, &b); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrContent, err)
	}
	return seal(Format, Runtime, b.Bytes())
}

// frame puts header, digest and an empty place for signatures around the content.
func frame(format, runtime uint16, content []byte) ([]byte, error) {
	return seal(format, runtime, append(make([]byte, headerSize, headerSize+len(content)+sha256.Size+4), content...))
}

// seal writes the header into the room before the content, and digest and an empty place for signatures behind it.
func seal(format, runtime uint16, b []byte) ([]byte, error) {
	if size := len(b) + sha256.Size + 4 + MaxSignatures; size > MaxSize { // signatures may come later
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, size, MaxSize)
	}
	copy(b, magic)
	binary.BigEndian.PutUint16(b[4:], format)
	binary.BigEndian.PutUint16(b[6:], runtime)
	binary.BigEndian.PutUint64(b[8:], uint64(len(b)-headerSize))
	d := sha256.Sum256(b)
	b = append(b, d[:]...)
	return binary.BigEndian.AppendUint32(b, 0), nil
}

// SignedText is what signatures of an artifact are over: "gwc artifact", the digest, each with a line end.
func SignedText(d Digest) string { return "gwc artifact\n" + d.String() + "\n" }

// Signatures returns the digest of an artifact's bytes and its signatures, a note over [SignedText] or nothing. It
// judges neither the content nor the signatures.
func Signatures(b []byte) (note []byte, d Digest, err error) {
	_, note, d, err = unframe(b)
	return note, d, err
}

// WithSignatures returns the bytes of an artifact with other signatures in place of those that it has.
func WithSignatures(b, note []byte) ([]byte, error) {
	_, old, d, err := unframe(b)
	if err != nil {
		return nil, err
	}
	if err := checkNote(note, d); err != nil {
		return nil, err
	}
	out := bytes.Clone(b[:len(b)-len(old)-4])
	out = binary.BigEndian.AppendUint32(out, uint32(len(note)))
	return append(out, note...), nil
}

// Decode reads an artifact and holds that it is one that [Encode] wrote: every index in range, every bound kept, and
// encoding it again gives the same bytes. Signatures may follow; they are about this artifact, but nothing is said of
// who made them. It keeps no reference to b.
func Decode(b []byte) (*Artifact, Digest, error) {
	content, note, d, err := unframe(b)
	if err != nil {
		return nil, Digest{}, err
	}
	_, dec := modes()
	a := new(Artifact)
	if err := dec.Unmarshal(content, a); err != nil {
		return nil, Digest{}, fmt.Errorf("%w: %s", ErrContent, strings.TrimPrefix(err.Error(), "cbor: "))
	}
	if err := a.Validate(); err != nil {
		return nil, Digest{}, err
	}
	again, err := encode(a)
	if err != nil {
		return nil, Digest{}, err
	}
	if n := len(again) - 4; !bytes.Equal(again[:n], b[:len(b)-len(note)-4]) {
		return nil, Digest{}, fmt.Errorf("%w: it is not in canonical form", ErrContent)
	}
	return a, d, nil
}

// unframe checks all but the content.
func unframe(b []byte) (content, note []byte, d Digest, err error) {
	if !strings.HasPrefix(magic, string(b[:min(len(b), len(magic))])) {
		return nil, nil, d, fmt.Errorf("%w: it does not begin with %q", ErrFormat, magic)
	}
	if len(b) < headerSize {
		return nil, nil, d, fmt.Errorf("%w within its header, after %d bytes", ErrTruncated, len(b))
	}
	switch format := binary.BigEndian.Uint16(b[4:]); {
	case format == 0:
		return nil, nil, d, fmt.Errorf("%w: format 0 does not exist", ErrFormat)
	case format > Format:
		return nil, nil, d, fmt.Errorf("%w: it has format %d, this binary knows formats up to %d", ErrNewer, format, Format)
	}
	switch runtime := binary.BigEndian.Uint16(b[6:]); {
	case runtime == 0:
		return nil, nil, d, fmt.Errorf("%w: runtime version 0 does not exist", ErrFormat)
	case runtime > Runtime:
		return nil, nil, d, fmt.Errorf("%w: it needs runtime version %d, this binary has %d", ErrNewer, runtime, Runtime)
	}
	n := binary.BigEndian.Uint64(b[8:])
	if n > MaxSize {
		return nil, nil, d, fmt.Errorf("%w: its content has %d bytes, at most %d", ErrTooLarge, n, MaxSize)
	}
	end := headerSize + int(n)
	if len(b) < end+sha256.Size+4 {
		return nil, nil, d, fmt.Errorf("%w: it has %d bytes of %d", ErrTruncated, len(b), end+sha256.Size+4)
	}
	d = sha256.Sum256(b[:end])
	if !bytes.Equal(d[:], b[end:end+sha256.Size]) {
		return nil, nil, Digest{}, fmt.Errorf("%w: its content has the digest %s and should have %s", ErrDigest, d, Digest(b[end:end+sha256.Size]))
	}
	rest := b[end+sha256.Size:]
	m := int64(binary.BigEndian.Uint32(rest))
	rest = rest[4:]
	switch {
	case m > MaxSignatures:
		return nil, nil, Digest{}, fmt.Errorf("%w: its signatures have %d bytes, at most %d", ErrFormat, m, MaxSignatures)
	case int64(len(rest)) < m:
		return nil, nil, Digest{}, fmt.Errorf("%w: its signatures have %d bytes of %d", ErrTruncated, len(rest), m)
	case int64(len(rest)) > m:
		return nil, nil, Digest{}, fmt.Errorf("%w: %d bytes follow its end", ErrFormat, int64(len(rest))-m)
	}
	if err := checkNote(rest, d); err != nil {
		return nil, nil, Digest{}, err
	}
	return b[headerSize:end], rest, d, nil
}

// checkNote holds that signatures are about an artifact.
func checkNote(note []byte, d Digest) error {
	switch text := SignedText(d) + "\n"; {
	case len(note) == 0:
		return nil
	case len(note) > MaxSignatures:
		return fmt.Errorf("%w: its signatures have %d bytes, at most %d", ErrTooLarge, len(note), MaxSignatures)
	case !bytes.HasPrefix(note, []byte(text)) || len(note) == len(text) || note[len(note)-1] != '\n':
		return fmt.Errorf("%w: its signatures are not about it", ErrFormat)
	}
	return nil
}

// ReadFile returns the bytes of a file of at most max bytes, or [MaxSize] where max is 0, for [Decode]. The file is
// read whole, never mapped: it may be truncated in place. A file that cannot be read gives the operating system's
// error.
func ReadFile(path string, max int64) ([]byte, error) {
	if max <= 0 || max > MaxSize {
		max = MaxSize
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is not a regular file", ErrFormat, path)
	}
	if info.Size() > max {
		return nil, fmt.Errorf("%w: %s has %d bytes, at most %d", ErrTooLarge, path, info.Size(), max)
	}
	buf := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead))
	if _, err := buf.ReadFrom(io.LimitReader(f, max+1)); err != nil { // it may have grown
		return nil, err
	}
	if int64(buf.Len()) > max {
		return nil, fmt.Errorf("%w: %s has more than %d bytes", ErrTooLarge, path, max)
	}
	return buf.Bytes(), nil
}
