// Package gwp is a plan as a file: what was reviewed, in the form in which it is applied.
//
// A [Plan] enters [Encode]: the digests of both sides, the plan as JSON, and the artifact that it leads to; bytes leave,
// and [Decode] gives back exactly what entered or refuses. The digest of a plan covers the base, the target's digest and
// the plan's text; the artifact itself follows and is bound by its own digest, so that signing it changes neither. So
// whoever approves a plan's digest has approved one artifact in place of one other.
//
// A plan that names a file of an artifact beside it was refused: the file may be another one by the time the plan is
// applied, and CI would have to carry both. Building again at the time of applying was refused too: the sources may have
// moved, and so may gwc.
//
// The digest says that nothing was damaged or mixed up, not who made the plan: that is what the artifact's signatures
// are for.
package gwp

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"

	"github.com/gwc-dev/gwc/schema/artifact"
)

// The wire form, all numbers big-endian:
//
//	offset  bytes
//	0       4     magic "GWCP"
//	4       2     format version
//	6       2     zero
//	8       8     n, the length of the content
//	16      n     content: Plan without its artifact, one map in canonical CBOR
//	16+n    32    SHA-256 of all bytes before: the plan's digest
//	48+n    …     the artifact, to the end
const (
	// Magic is how a plan's file begins.
	Magic      = "GWCP"
	headerSize = 16
	// Format is the newest format version that this package reads, and the one that it writes.
	Format = 1
	// maxContent bounds the plan's text: some 100,000 changes.
	maxContent = 128 << 20
	// MaxSize is the greatest length of a plan's file.
	MaxSize = maxContent + artifact.MaxSize + 1<<20
)

// Why a plan was refused. Every error of [Decode] wraps one of them, or one of package artifact.
var (
	// ErrTruncated: the file ends before its own length says so.
	ErrTruncated = errors.New("the plan is cut off")
	// ErrDigest: the plan is not what its digest was made of.
	ErrDigest = errors.New("the plan is damaged")
	// ErrFormat: this is no plan, or its frame is wrong.
	ErrFormat = errors.New("not a plan of gwc")
	// ErrNewer: the plan needs a newer binary.
	ErrNewer = errors.New("the plan is newer than this binary")
	// ErrTooLarge: the plan is larger than the limit.
	ErrTooLarge = errors.New("the plan is too large")
	// ErrContent: frame and digest are right, but not what a plan holds.
	ErrContent = errors.New("the plan's content is invalid")
)

// Plan leads from one artifact to another. It is immutable.
type Plan struct {
	Tool string `cbor:"1,keyasint"` // "gwc 0.1.0"
	// Base is the digest of the artifact that the plan was made against; the zero digest where there was none.
	Base artifact.Digest `cbor:"2,keyasint"`
	// What names the base for people: "HEAD (1a2b3c4d5e6f)".
	What   string          `cbor:"3,keyasint"`
	Target artifact.Digest `cbor:"4,keyasint"`
	// Text is the plan as [plan.JSON] writes it.
	Text []byte `cbor:"5,keyasint"`
	// Artifact holds the bytes of the target, with signatures where it has some.
	Artifact []byte `cbor:"-"`
}

// Encode returns the bytes of a plan and its digest. It refuses what [Decode] would refuse.
func Encode(p *Plan) ([]byte, artifact.Digest, error) {
	if err := p.validate(); err != nil {
		return nil, artifact.Digest{}, err
	}
	return p.encode()
}

func (p *Plan) encode() ([]byte, artifact.Digest, error) {
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		return nil, artifact.Digest{}, err
	}
	content, err := enc.Marshal(p)
	if err != nil {
		return nil, artifact.Digest{}, fmt.Errorf("%w: %w", ErrContent, err)
	}
	if len(content) > maxContent {
		return nil, artifact.Digest{}, fmt.Errorf("%w: its text has %d bytes, at most %d", ErrTooLarge, len(content), maxContent)
	}
	b := make([]byte, 0, headerSize+len(content)+sha256.Size+len(p.Artifact))
	b = append(b, Magic...)
	b = binary.BigEndian.AppendUint16(b, Format)
	b = binary.BigEndian.AppendUint16(b, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(len(content)))
	b = append(b, content...)
	d := sha256.Sum256(b)
	b = append(b, d[:]...)
	return append(b, p.Artifact...), d, nil
}

// Decode reads a plan and holds that it is one that [Encode] wrote, with an artifact that a runtime could read.
func Decode(b []byte) (*Plan, artifact.Digest, error) {
	var none artifact.Digest
	if !strings.HasPrefix(Magic, string(b[:min(len(b), len(Magic))])) {
		return nil, none, fmt.Errorf("%w: it does not begin with %q", ErrFormat, Magic)
	}
	if len(b) < headerSize {
		return nil, none, fmt.Errorf("%w within its header, after %d bytes", ErrTruncated, len(b))
	}
	switch format := binary.BigEndian.Uint16(b[4:]); {
	case format == 0:
		return nil, none, fmt.Errorf("%w: format 0 does not exist", ErrFormat)
	case format > Format:
		return nil, none, fmt.Errorf("%w: it has format %d, this binary knows formats up to %d", ErrNewer, format, Format)
	}
	n := binary.BigEndian.Uint64(b[8:])
	if n > maxContent {
		return nil, none, fmt.Errorf("%w: its text has %d bytes, at most %d", ErrTooLarge, n, maxContent)
	}
	end := headerSize + int(n)
	if len(b) < end+sha256.Size {
		return nil, none, fmt.Errorf("%w: it has %d bytes of at least %d", ErrTruncated, len(b), end+sha256.Size)
	}
	d := artifact.Digest(sha256.Sum256(b[:end]))
	if !bytes.Equal(d[:], b[end:end+sha256.Size]) {
		return nil, none, fmt.Errorf("%w: it has the digest %s and should have %s", ErrDigest, d, artifact.Digest(b[end:end+sha256.Size]))
	}
	dec, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		MaxNestedLevels:   4,
		MaxArrayElements:  16,
		MaxMapPairs:       16,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
	}.DecMode()
	if err != nil {
		return nil, none, err
	}
	p := new(Plan)
	if err := dec.Unmarshal(b[headerSize:end], p); err != nil {
		return nil, none, fmt.Errorf("%w: %s", ErrContent, strings.TrimPrefix(err.Error(), "cbor: "))
	}
	p.Artifact = bytes.Clone(b[end+sha256.Size:])
	if err := p.validate(); err != nil {
		return nil, none, err
	}
	again, _, err := p.encode()
	if err != nil {
		return nil, none, err
	}
	if !bytes.Equal(again, b) {
		return nil, none, fmt.Errorf("%w: it is not in canonical form", ErrContent)
	}
	return p, d, nil
}

func (p *Plan) validate() error {
	for _, s := range []string{p.Tool, p.What} {
		if len(s) > 4<<10 || !utf8.ValidString(s) {
			return fmt.Errorf("%w: a text of it is too long or not UTF-8", ErrContent)
		}
	}
	if !json.Valid(p.Text) || !utf8.Valid(p.Text) {
		return fmt.Errorf("%w: its text is not JSON", ErrContent)
	}
	if len(p.Artifact) == 0 {
		return fmt.Errorf("%w: the artifact is missing", ErrTruncated)
	}
	_, d, err := artifact.Decode(p.Artifact)
	if err != nil {
		return fmt.Errorf("the plan's artifact: %w", err)
	}
	if d != p.Target {
		return fmt.Errorf("%w: it leads to %s and holds the artifact %s", ErrDigest, p.Target, d)
	}
	return nil
}
