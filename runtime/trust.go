package runtime

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/sign"
)

// errRestart: an artifact changes what belongs to the process.
var errRestart = errors.New("it changes listeners, the admin address or the call log, which needs a restart")

// signer is a signature as /snapshot shows it. Key is empty where no key that this process requires made it: the name is
// then only what the line says.
type signer struct {
	Name string `json:"name"`
	ID   string `json:"id"`
	Key  string `json:"key,omitempty"`
}

// required is what signatures the next artifact must have.
type required struct {
	Keys []string `json:"keys"`
	Need int      `json:"need"`
}

// trust returns the signatures of an artifact, or an error where it is not signed as required.
func (g *gateway) trust(data []byte) ([]sign.Signature, error) {
	if err := g.o.Require.Check(data); err != nil {
		return nil, err
	}
	return sign.Verify(data, g.o.Require.Keys)
}

// signed keeps whose signatures the artifact in use has.
func (g *gateway) signed(list []sign.Signature) {
	signers := make([]signer, 0, len(list))
	for _, s := range list {
		x := signer{Name: s.Name, ID: s.ID}
		if s.Key != nil {
			x.Key = s.Key.String()
		}
		signers = append(signers, x)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.signers = signers
}

func (g *gateway) required() *required {
	p := g.o.Require
	if len(p.Keys) == 0 {
		return nil
	}
	r := &required{Need: p.Required()}
	for _, k := range p.Keys {
		r.Keys = append(r.Keys, k.String())
	}
	return r
}

// why says in one word why an artifact was not loaded; docs/metrics.md lists the words.
func why(err error) string {
	var path *fs.PathError
	var system syscall.Errno
	for _, w := range []struct {
		err  error
		word string
	}{
		{sign.ErrUnsigned, "signature"}, {sign.ErrSignature, "signature"},
		{artifact.ErrTruncated, "damaged"}, {artifact.ErrDigest, "damaged"}, {artifact.ErrFormat, "damaged"}, {artifact.ErrTooLarge, "damaged"},
		{artifact.ErrNewer, "newer"}, {artifact.ErrContent, "content"}, {errRestart, "restart"},
	} {
		if errors.Is(err, w.err) {
			return w.word
		}
	}
	if errors.As(err, &path) || errors.As(err, &system) {
		return "unreadable"
	}
	return "other"
}
