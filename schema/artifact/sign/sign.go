// Package sign makes and judges signatures of artifacts.
//
// The bytes of an artifact enter, with a [Key] or with public keys that somebody trusts; the same artifact with one
// more signature leaves, or which of the trusted keys made one. Signatures are Ed25519 over the artifact's digest, kept
// as a signed note (golang.org/x/mod/sumdb/note) behind what the digest covers: signing changes no digest, and an
// artifact may be signed by many, one after another.
//
// Trust is in keys, not in names. A note's line names its key and a hash of both, and whoever holds an artifact can write
// another name over a signature and hash it anew; so two lines of one key are one signature, and a name that a trusted
// key did not come with means nothing. A line that says it is of a trusted key and does not verify is refused whatever
// the others say: nobody writes one by accident. Lines of keys that nobody here knows are listed and not judged.
//
// X.509 and Sigstore were refused: both need a clock or a network where an artifact is loaded, and a gateway must start
// when neither can be trusted.
package sign

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/gwc-dev/gwc/schema/artifact"
)

var (
	// ErrUnsigned: signatures that somebody requires are missing.
	ErrUnsigned = errors.New("the artifact is not signed as required")
	// ErrSignature: a signature is malformed or does not verify.
	ErrSignature = errors.New("a signature of the artifact is not good")
	// ErrKey: what should be a key is none.
	ErrKey = errors.New("not a key")
)

// PublicKey is an Ed25519 public key.
type PublicKey [ed25519.PublicKeySize]byte

const publicPrefix = "ed25519:"

// String returns "ed25519:" and 44 characters of standard base64.
func (k PublicKey) String() string { return publicPrefix + base64.StdEncoding.EncodeToString(k[:]) }

// ParsePublicKey reads what [PublicKey.String] writes, and nothing else.
func ParsePublicKey(s string) (k PublicKey, err error) {
	switch text, ok := strings.CutPrefix(s, publicPrefix); {
	case strings.HasPrefix(s, privatePrefix):
		return k, fmt.Errorf("%w: it is a private key where a public one belongs; replace it, as it has been shown", ErrKey)
	case strings.Contains(s, "-----BEGIN"):
		return k, fmt.Errorf("%w: it is PEM, and a public key is one line, \"ed25519:…\"", ErrKey)
	case !ok:
		return k, fmt.Errorf("%w: it does not begin with \"ed25519:\"", ErrKey)
	default:
		b, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil || len(b) != len(k) || strings.ContainsAny(text, "\r\n") {
			return k, fmt.Errorf("%w: \"ed25519:\" is not followed by 32 bytes in base64", ErrKey)
		}
		k = PublicKey(b)
	}
	if k.weak() {
		return PublicKey{}, fmt.Errorf("%w: everybody can sign for it", ErrKey)
	}
	return k, nil
}

// weak reports whether k is a point of small order: signatures for it can be made without a private key.
func (k PublicKey) weak() bool {
	k[31] &= 0x7f // the sign
	for _, p := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		if hex.EncodeToString(k[:]) == p {
			return true
		}
	}
	return false
}

// verifier returns the key as one of the name.
func (k PublicKey) verifier(name string) (note.Verifier, error) {
	text, err := note.NewEd25519VerifierKey(name, k[:])
	if err != nil {
		return nil, err
	}
	return note.NewVerifier(text)
}

// Key is a private key with its name. It prints as its name only.
type Key struct {
	name   string
	public PublicKey
	text   string
	signer note.Signer
}

// privatePrefix is how package note begins a private key.
const privatePrefix = "PRIVATE+KEY+"

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$`)

// Generate makes a key. Its name stands in signatures: letters, digits and . _ @ - of at most 63 characters.
func Generate(name string) (*Key, error) {
	if !validName.MatchString(name) {
		return nil, fmt.Errorf("%w: the name %q is not made of letters, digits, '.', '_', '@' and '-'", ErrKey, name)
	}
	text, _, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return nil, err
	}
	return ParseKey(text)
}

// ParseKey reads the text of a private key, one line as [Key.Secret] returns it. Errors do not hold the text.
func ParseKey(text string) (*Key, error) {
	text = strings.TrimRight(text, "\r\n")
	parts := strings.SplitN(text, "+", 5)
	switch {
	case strings.HasPrefix(text, publicPrefix):
		return nil, fmt.Errorf("%w: it is a public key, and signing needs the private one", ErrKey)
	case strings.Contains(text, "-----BEGIN"):
		return nil, fmt.Errorf("%w: it is PEM; make a key with gwc keygen", ErrKey)
	case !strings.HasPrefix(text, privatePrefix) || len(parts) != 5 || strings.ContainsAny(text, "\r\n"):
		return nil, fmt.Errorf("%w: it is not a private key that gwc keygen wrote", ErrKey)
	case !validName.MatchString(parts[2]):
		return nil, fmt.Errorf("%w: its name is malformed", ErrKey)
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(parts[4])
	if err != nil || len(raw) != 1+ed25519.SeedSize {
		return nil, fmt.Errorf("%w: it is cut off or damaged", ErrKey)
	}
	if raw[0] != 1 {
		return nil, fmt.Errorf("%w: it is of an algorithm that this binary does not know", ErrKey)
	}
	signer, err := note.NewSigner(text)
	if err != nil { // all but the hash over name and key has been seen
		return nil, fmt.Errorf("%w: it is damaged, or its name was changed", ErrKey)
	}
	k := &Key{name: parts[2], text: text, signer: signer}
	copy(k.public[:], ed25519.NewKeyFromSeed(raw[1:])[ed25519.SeedSize:])
	return k, nil
}

// Name returns the key's name.
func (k *Key) Name() string { return k.name }

// Public returns the key's public half.
func (k *Key) Public() PublicKey { return k.public }

// Secret returns the text of the key, for its file and nothing else.
func (k *Key) Secret() string { return k.text }

// String returns the key's name: a key that is printed by mistake shows no more.
func (k *Key) String() string { return "key " + k.name }

// GoString is String, for "%#v".
func (k *Key) GoString() string { return k.String() }

// Signature is one line of an artifact's signatures.
type Signature struct {
	// Name is whose the line says it is; only a trusted key makes it more than a word.
	Name string
	// ID is the hash over name and key by which the line names its key, 8 hex digits.
	ID string
	// Key is the trusted key that made it; nil where none did, and nothing was verified.
	Key *PublicKey
}

// trusted are the keys whose lines are verified.
type trusted []PublicKey

// find returns the key that a line names.
func (t trusted) find(name string, hash uint32) (k PublicKey, v note.Verifier) {
	for _, k := range t {
		if v, err := k.verifier(name); err == nil && v.KeyHash() == hash {
			return k, v
		}
	}
	return PublicKey{}, nil
}

// Verifier implements [note.Verifiers].
func (t trusted) Verifier(name string, hash uint32) (note.Verifier, error) {
	if _, v := t.find(name, hash); v != nil {
		return v, nil
	}
	return nil, &note.UnknownVerifierError{Name: name, KeyHash: hash}
}

// Verify returns the signatures of an artifact's bytes in their order, each with the trusted key that made it. It is an
// error that wraps [ErrSignature] where one that names a trusted key does not verify, or the note is malformed; or one
// of package artifact where the bytes are no artifact. That there is none is no error.
func Verify(b []byte, keys []PublicKey) ([]Signature, error) {
	text, d, err := artifact.Signatures(b)
	if err != nil || len(text) == 0 {
		return nil, err
	}
	if _, err := open(text, d, keys); err != nil {
		return nil, err
	}
	var list []Signature
	seen := map[string]bool{} // a line that stands twice is one
	for line := range strings.Lines(string(text[len(artifact.SignedText(d))+1:])) {
		name, encoded, _ := strings.Cut(strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "— "), " ")
		raw, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || len(raw) < 4 {
			return nil, fmt.Errorf("%w: the lines are malformed", ErrSignature)
		}
		s := Signature{Name: name, ID: hex.EncodeToString(raw[:4])}
		same := line
		if k, v := trusted(keys).find(name, binary.BigEndian.Uint32(raw)); v != nil {
			s.Key = &k
			same = name + " " + s.ID // only the first of them was verified, and it is the same key's
		}
		if !seen[same] {
			seen[same] = true
			list = append(list, s)
		}
	}
	return list, nil
}

// open reads a note. One without a line of a trusted key is no error.
func open(text []byte, d artifact.Digest, keys []PublicKey) (*note.Note, error) {
	n, err := note.Open(text, trusted(keys))
	var none *note.UnverifiedNoteError
	var bad *note.InvalidSignatureError
	switch {
	case errors.As(err, &none):
		n = none.Note
	case errors.As(err, &bad):
		return nil, fmt.Errorf("%w: that of %q does not verify", ErrSignature, bad.Name)
	case err != nil:
		return nil, fmt.Errorf("%w: the lines are malformed", ErrSignature)
	}
	if n.Text != artifact.SignedText(d) { // a note ends at its last empty line, and there may be another one
		return nil, fmt.Errorf("%w: they are over another text", ErrSignature)
	}
	return n, nil
}

// Add returns the bytes of an artifact with a signature of k behind those that it has. An artifact that k has signed
// under its name stays as it is.
func Add(b []byte, k *Key) ([]byte, error) {
	text, d, err := artifact.Signatures(b)
	if err != nil {
		return nil, err
	}
	n := &note.Note{Text: artifact.SignedText(d)}
	if len(text) > 0 {
		if n, err = open(text, d, []PublicKey{k.public}); err != nil {
			return nil, err
		}
		for _, s := range n.Sigs {
			if s.Name == k.name {
				return bytes.Clone(b), nil
			}
		}
	}
	signed, err := note.Sign(n, k.signer)
	if err != nil {
		return nil, fmt.Errorf("%w: the artifact cannot be signed: %w", ErrSignature, err)
	}
	return artifact.WithSignatures(b, signed)
}

// Policy says which signatures an artifact must have: those of at least Need of Keys. A Need of 0 is all of them. The
// zero Policy asks for nothing.
type Policy struct {
	Keys []PublicKey
	Need int
}

// PolicyOf returns what an artifact demands of itself and of the one that follows it.
func PolicyOf(a *artifact.Artifact) (p Policy) {
	if s := a.Gateway.Signatures; s != nil {
		p.Need = s.Need
		for _, k := range s.Keys {
			p.Keys = append(p.Keys, PublicKey(k.Key))
		}
	}
	return p
}

// Required returns how many of the keys must have signed.
func (p Policy) Required() int {
	if p.Need == 0 {
		return len(p.Keys)
	}
	return p.Need
}

// Validate reports a policy that nobody can have meant: a key that stands twice, or more signatures than keys.
func (p Policy) Validate() error {
	for i, k := range p.Keys {
		if slices.Contains(p.Keys[:i], k) {
			return fmt.Errorf("%w: %s stands twice", ErrKey, k)
		}
		if k.weak() {
			return fmt.Errorf("%w: everybody can sign for %s", ErrKey, k)
		}
	}
	if p.Need < 0 || p.Need > len(p.Keys) {
		return fmt.Errorf("%d signatures are required of %d keys", p.Need, len(p.Keys))
	}
	return nil
}

// Check returns nil where the bytes of an artifact are signed as the policy says, else an error that wraps
// [ErrUnsigned] or [ErrSignature] and names the keys that are missing, or one of package artifact.
func (p Policy) Check(b []byte) error {
	if len(p.Keys) == 0 {
		return nil
	}
	list, err := Verify(b, p.Keys)
	if err != nil {
		return err
	}
	var missing []string
	n := 0
	for _, k := range p.Keys {
		if slices.ContainsFunc(list, func(s Signature) bool { return s.Key != nil && *s.Key == k }) {
			n++
			continue
		}
		missing = append(missing, k.String())
	}
	if n >= p.Required() {
		return nil
	}
	has := "it has no signature"
	if len(list) > 0 {
		var names []string
		for _, s := range list {
			names = append(names, strconv.Quote(s.Name))
		}
		has = fmt.Sprintf("it has signatures that name %s", strings.Join(names, ", "))
	}
	return fmt.Errorf("%w: it needs the signatures of %d of %d keys and has %d; missing: %s; %s", ErrUnsigned, p.Required(), len(p.Keys), n, strings.Join(missing, ", "), has)
}
