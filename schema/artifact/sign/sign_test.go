package sign

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/match"
)

// build returns the bytes of a small artifact; others have another digest.
func build(t testing.TB, admin string) []byte {
	t.Helper()
	table, conflicts := match.Build(nil)
	if len(conflicts) > 0 {
		t.Fatal(conflicts)
	}
	b, err := artifact.Encode(&artifact.Artifact{Gateway: artifact.Gateway{Admin: admin}, Table: table})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fixed returns a key of fixed bytes, so that failures can be repeated.
func fixed(t testing.TB, name string, seed byte) *Key {
	t.Helper()
	text, _, err := note.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{seed}, 64)), name)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParseKey(text + "\n")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func add(t testing.TB, b []byte, keys ...*Key) []byte {
	t.Helper()
	for _, k := range keys {
		var err error
		if b, err = Add(b, k); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// who writes signatures as "name" where a trusted key made them, else "(name)".
func who(list []Signature) string {
	var names []string
	for _, s := range list {
		if s.Key == nil {
			names = append(names, "("+s.Name+")")
		} else {
			names = append(names, s.Name)
		}
	}
	return strings.Join(names, " ")
}

// line returns a line of a note of a signature over text.
func line(t testing.TB, text string, k *Key) string {
	t.Helper()
	signed, err := note.Sign(&note.Note{Text: text}, k.signer)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(string(signed), text+"\n")
}

func TestSigningChangesNeitherDigestNorContent(t *testing.T) {
	b := build(t, "127.0.0.1:1")
	ci, lead := fixed(t, "ci", 1), fixed(t, "lead", 2)
	signed := add(t, b, ci, lead)
	x, d, err := artifact.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	y, e, err := artifact.Decode(signed)
	if err != nil {
		t.Fatal(err)
	}
	if d != e {
		t.Errorf("the digest was %s and is %s", d, e)
	}
	if diff := cmp.Diff(x, y); diff != "" {
		t.Errorf("mismatch (-want +got)\n%s", diff)
	}
	if again := add(t, signed, ci, lead); !bytes.Equal(again, signed) {
		t.Error("signing again changed something")
	}
	text, _, err := artifact.Signatures(signed)
	if err != nil {
		t.Fatal(err)
	}
	if want := artifact.SignedText(d) + "\n" + line(t, artifact.SignedText(d), ci) + line(t, artifact.SignedText(d), lead); string(text) != want {
		t.Errorf("the note is\n%s\nwant\n%s", text, want)
	}
	bare, err := artifact.WithSignatures(signed, nil)
	if err != nil || !bytes.Equal(bare, b) {
		t.Errorf("without its signatures it is another one (%v)", err)
	}
}

func TestPolicies(t *testing.T) {
	b := build(t, "127.0.0.1:1")
	ci, lead, other := fixed(t, "ci", 1), fixed(t, "lead", 2), fixed(t, "ci", 3)
	both := []PublicKey{ci.Public(), lead.Public()}
	for _, tt := range []struct {
		name string
		b    []byte
		p    Policy
		want error
	}{
		{"nothing is asked of an unsigned one", b, Policy{}, nil},
		{"a key that signed", add(t, b, ci), Policy{Keys: both[:1]}, nil},
		{"nobody signed", b, Policy{Keys: both[:1]}, ErrUnsigned},
		{"another key signed under the same name", add(t, b, other), Policy{Keys: both[:1]}, ErrUnsigned},
		{"all of two, and one signed", add(t, b, ci), Policy{Keys: both}, ErrUnsigned},
		{"all of two, and both signed", add(t, b, lead, ci), Policy{Keys: both}, nil},
		{"one of two, and one signed", add(t, b, lead), Policy{Keys: both, Need: 1}, nil},
		{"one of two, and none signed", add(t, b, other), Policy{Keys: both, Need: 1}, ErrUnsigned},
		{"strangers do not disturb", add(t, b, other, ci), Policy{Keys: both[:1]}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.p.Check(tt.b); !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	for name, p := range map[string]Policy{
		"a key twice":                  {Keys: []PublicKey{both[0], both[0]}},
		"more signatures than keys":    {Keys: both, Need: 3},
		"fewer signatures than none":   {Keys: both, Need: -1},
		"signatures without keys":      {Need: 1},
		"a key that everybody has got": {Keys: []PublicKey{{1}}},
	} {
		if p.Validate() == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// TestOneKeyIsOneSignature writes the signature of a key under other names, as whoever holds the artifact can.
func TestOneKeyIsOneSignature(t *testing.T) {
	b := build(t, "127.0.0.1:1")
	_, d, err := artifact.Signatures(b)
	if err != nil {
		t.Fatal(err)
	}
	ci, lead := fixed(t, "ci", 1), fixed(t, "lead", 2)
	asLead := fixed(t, "lead", 1)
	text := artifact.SignedText(d)
	forged, err := artifact.WithSignatures(b, []byte(text+"\n"+line(t, text, ci)+line(t, text, asLead)+line(t, text, ci)))
	if err != nil {
		t.Fatal(err)
	}
	list, err := Verify(forged, []PublicKey{ci.Public(), lead.Public()})
	if err != nil {
		t.Fatal(err)
	}
	if got := who(list); got != "ci lead" || *list[0].Key != ci.Public() || *list[1].Key != ci.Public() {
		t.Errorf("the signatures are %s", got)
	}
	if err := (Policy{Keys: []PublicKey{ci.Public(), lead.Public()}}).Check(forged); !errors.Is(err, ErrUnsigned) {
		t.Errorf("one key under two names passes for two: %v", err)
	}
}

func TestHostileNotes(t *testing.T) {
	b, elsewhere := build(t, "127.0.0.1:1"), build(t, "127.0.0.1:2")
	_, d, err := artifact.Signatures(b)
	if err != nil {
		t.Fatal(err)
	}
	_, e, err := artifact.Signatures(elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	ci := fixed(t, "ci", 1)
	text := artifact.SignedText(d)
	good := line(t, text, ci)
	algorithm := func() string { // of an algorithm that does not exist: a hash that no Ed25519 key has
		return "— ci " + base64.StdEncoding.EncodeToString(append([]byte{9, 9, 9, 9}, bytes.Repeat([]byte{7}, 96)...)) + "\n"
	}()
	for _, tt := range []struct {
		name, note string
		want       error
		seen       string
	}{
		{"the signature of another artifact", text + "\n" + line(t, artifact.SignedText(e), ci), ErrSignature, ""},
		{"the note of another artifact", artifact.SignedText(e) + "\n" + line(t, artifact.SignedText(e), ci), artifact.ErrFormat, ""},
		{"a second text before the lines", text + "\n" + good + "\nmore\n\n" + good, ErrSignature, ""},
		{"a signature over two texts", text + "\nmore\n\n" + line(t, text+"\nmore\n", ci), ErrSignature, ""},
		{"an empty line at the end", text + "\n" + good + "\n", ErrSignature, ""},
		{"no line end", text + "\n" + strings.TrimSuffix(good, "\n"), artifact.ErrFormat, ""},
		{"a line without a signature", text + "\n— ci\n", ErrSignature, ""},
		{"a line that is cut off", text + "\n" + good[:len(good)-9] + "\n", ErrSignature, ""},
		{"base64 with a line break in it", text + "\n" + good[:20] + "\r" + good[20:], ErrSignature, ""},
		{"a name with a space", text + "\n" + strings.Replace(good, "— ci", "— c i", 1), ErrSignature, ""},
		{"a control code in a name", text + "\n" + strings.Replace(good, "— ci", "— c\x1bi", 1), ErrSignature, ""},
		{"a hyphen for the dash", text + "\n" + strings.Replace(good, "— ", "- ", 1), ErrSignature, ""},
		{"101 lines", text + "\n" + strings.Repeat(good, 101), ErrSignature, ""},
		{"the line 100 times", text + "\n" + strings.Repeat(good, 100), nil, "ci"},
		{"an unknown algorithm beside a good one", text + "\n" + algorithm + good, nil, "(ci) ci"},
		{"an unknown algorithm alone", text + "\n" + algorithm, nil, "(ci)"},
		{"another name on the line", text + "\n" + strings.Replace(good, "— ci", "— cj", 1), nil, "(cj)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			signed, err := artifact.WithSignatures(b, []byte(tt.note))
			var list []Signature
			if err == nil {
				list, err = Verify(signed, []PublicKey{ci.Public()})
			}
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if got := who(list); got != tt.seen {
				t.Errorf("the signatures are %q, want %q", got, tt.seen)
			}
		})
	}
}

// TestEveryFlippedBitIsSeen flips each bit of a signed artifact: it must be refused, or not pass for signed.
func TestEveryFlippedBitIsSeen(t *testing.T) {
	ci := fixed(t, "ci", 1)
	signed := add(t, build(t, "127.0.0.1:1"), ci)
	p := Policy{Keys: []PublicKey{ci.Public()}}
	if err := p.Check(signed); err != nil {
		t.Fatal(err)
	}
	for i := range signed {
		for bit := range 8 {
			b := bytes.Clone(signed)
			b[i] ^= 1 << bit
			if err := p.Check(b); err == nil {
				t.Fatalf("bit %d of byte %d does not matter", bit, i)
			}
		}
	}
	for n := range signed {
		if err := p.Check(signed[:n]); err == nil {
			t.Fatalf("%d of %d bytes pass", n, len(signed))
		}
	}
}

func TestKeysAreReadStrictly(t *testing.T) {
	k := fixed(t, "ci", 1)
	secret, public := k.Secret(), k.Public().String()
	seed := secret[strings.LastIndexByte(secret, '+')+1:]
	pem := "-----BEGIN " + "PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END " + "PRIVATE KEY-----\n"
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "not a private key"},
		{"a public key", public, "it is a public key"},
		{"PEM", pem, "it is PEM"},
		{"cut off", secret[:len(secret)-3], "cut off or damaged"},
		{"another name", strings.Replace(secret, "+ci+", "+cd+", 1), "damaged, or its name was changed"},
		{"no name", strings.Replace(secret, "+ci+", "++", 1), "its name is malformed"},
		{"another algorithm", strings.Replace(secret, "+"+seed[:1], "+C", 1), "an algorithm that this binary does not know"},
		{"two lines", secret + "\n" + secret, "not a private key"},
		{"a damaged seed", secret[:len(secret)-9] + "AAAA" + secret[len(secret)-5:], "damaged"},
	} {
		got, err := ParseKey(tt.text)
		if got != nil || err == nil || !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, %v", tt.name, got, err)
		}
		if err != nil && (strings.Contains(err.Error(), seed[2:12]) || strings.Contains(err.Error(), "MC4C")) {
			t.Errorf("%s: the error shows the key: %v", tt.name, err)
		}
	}
	if got, err := ParsePublicKey(public); err != nil || got != k.Public() {
		t.Errorf("got %v, %v", got, err)
	}
	zero := PublicKey{}.String()
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "does not begin with"},
		{"a private key", secret, "a private key where a public one belongs"},
		{"PEM", "-----BEGIN " + "PUBLIC KEY-----", "it is PEM"},
		{"without its prefix", strings.TrimPrefix(public, "ed25519:"), "does not begin with"},
		{"hex", "ed25519:" + strings.Repeat("ab", 32), "32 bytes in base64"},
		{"too short", public[:len(public)-4], "32 bytes in base64"},
		{"white space around it", public + " ", "32 bytes in base64"},
		{"a line end", public + "\n", "32 bytes in base64"},
		{"other bits at the end", public[:len(public)-2] + string(public[len(public)-2]+1) + "=", "32 bytes in base64"},
		{"a key that everybody can sign for", zero, "everybody can sign"},
	} {
		if got, err := ParsePublicKey(tt.text); err == nil || !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, %v", tt.name, got, err)
		} else if strings.Contains(err.Error(), seed[2:12]) {
			t.Errorf("%s: the error shows the key: %v", tt.name, err)
		}
	}
}

func TestKeysDoNotPrintThemselves(t *testing.T) {
	k, err := Generate("ci@example")
	if err != nil {
		t.Fatal(err)
	}
	seed := strings.SplitN(k.Secret(), "+", 5)[4] // PRIVATE+KEY+name+hash+seed, which is base64 and may hold a "+" itself
	if len(seed) < 40 {
		t.Fatalf("the seed has %d characters", len(seed))
	}
	for _, verb := range []string{"%v", "%+v", "%s", "%q", "%#v"} {
		if text := fmt.Sprintf(verb, k); strings.Contains(text, seed) || !strings.Contains(text, "ci@example") {
			t.Errorf("%s prints %s", verb, text)
		}
	}
	for _, name := range []string{"", "a b", "a+b", "-x", "a/b", "ä", strings.Repeat("x", 64), "a\nb"} {
		if _, err := Generate(name); !errors.Is(err, ErrKey) {
			t.Errorf("the name %q is taken: %v", name, err)
		}
	}
	if x, err := Generate("ci"); err != nil || x.Public() == k.Public() {
		t.Errorf("two keys are the same (%v)", err)
	}
}

func FuzzVerify(f *testing.F) {
	b := build(f, "127.0.0.1:1")
	ci := fixed(f, "ci", 1)
	_, d, err := artifact.Signatures(b)
	if err != nil {
		f.Fatal(err)
	}
	text := artifact.SignedText(d)
	f.Add([]byte(text + "\n" + line(f, text, ci)))
	f.Add([]byte(text + "\n— ci AAAAAAAA\n"))
	f.Add([]byte(text + "\n\n\n"))
	want := line(f, text, ci)
	want = want[strings.LastIndexByte(want, ' ')+1:]
	f.Fuzz(func(t *testing.T, lines []byte) {
		signed, err := artifact.WithSignatures(b, lines)
		if err != nil {
			return
		}
		list, err := Verify(signed, []PublicKey{ci.Public()})
		if err != nil {
			return
		}
		for _, s := range list {
			if s.Key != nil && s.Name == "ci" && !bytes.Contains(lines, []byte(want)) {
				t.Errorf("a signature that the key did not make: %q", lines)
			}
		}
		again, err := Add(signed, ci)
		if err != nil {
			return // such as one line too many
		}
		if err := (Policy{Keys: []PublicKey{ci.Public()}}).Check(again); err != nil && bytes.Count(again, []byte("\n")) < 90 {
			t.Errorf("signed, and not taken: %v", err)
		}
	})
}
