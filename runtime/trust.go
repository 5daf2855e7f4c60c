package runtime

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"syscall"

	"github.com/gwc-dev/gwc/schema/artifact"
	"github.com/gwc-dev/gwc/schema/artifact/sign"
)

// errRestart: an artifact changes what belongs to the process.
var errRestart = errors.New("it changes listeners, the admin address or the call log, which needs a restart")

// signature is a signature as /snapshot shows it. Key is empty where no key that this process requires made it: the name is
// then only what the line says.
type signature struct {
	Name string `json:"name"`
	ID   string `json:"id"`
	Key  string `json:"key,omitempty"`
}

// required is what signatures the next artifact must have.
type required struct {
	Keys []string `json:"keys"`
	Need int      `json:"need"`
}

// trust returns an error where an artifact is not signed as this process was told, or as the artifact that is in use
// demands of its successor. Nothing of the content is read for it.
func (g *gateway) trust(data []byte) error {
	if err := g.o.Require.Check(data); err != nil {
		return err
	}
	if err := g.successors().Check(data); err != nil {
		return fmt.Errorf("%w, which the artifact in use demands", err)
	}
	return nil
}

// successors is what the artifact in use demands of the next one.
func (g *gateway) successors() sign.Policy {
	if g.pipe == nil || g.o.Unsigned {
		return sign.Policy{}
	}
	return sign.PolicyOf(g.pipe.Snapshot().Artifact)
}

// demands holds that an artifact is signed as it demands itself: what is deployed without the signatures that its own
// files ask for was not meant to be. It returns the signatures, those of all keys that anybody requires with their key.
func (g *gateway) demands(a *artifact.Artifact, data []byte) ([]sign.Signature, error) {
	own := sign.PolicyOf(a)
	if !g.o.Unsigned {
		if err := own.Check(data); err != nil {
			return nil, fmt.Errorf("%w, which it demands itself", err)
		}
	}
	return sign.Verify(data, slices.Concat(g.o.Require.Keys, own.Keys, g.successors().Keys))
}

// signed keeps whose signatures the artifact in use has.
func (g *gateway) signed(list []sign.Signature) {
	signers := make([]signature, 0, len(list))
	for _, s := range list {
		x := signature{Name: s.Name, ID: s.ID}
		if s.Key != nil {
			x.Key = s.Key.String()
		}
		signers = append(signers, x)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.signers = signers
}

// required lists what this process was told, and what the artifact in use demands.
func (g *gateway) required() (list []required) {
	for _, p := range []sign.Policy{g.o.Require, g.successors()} {
		if len(p.Keys) == 0 {
			continue
		}
		r := required{Need: p.Required()}
		for _, k := range p.Keys {
			r.Keys = append(r.Keys, k.String())
		}
		list = append(list, r)
	}
	return list
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
