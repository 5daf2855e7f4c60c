package diff_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gwc-dev/gwc/compiler/diff"
	"github.com/gwc-dev/gwc/schema/artifact"
)

// undone maps kinds to what the same difference is called the other way round. Grants of models are not among them: a
// model that goes takes its grants along unsaid, one that comes is granted aloud.
var undone = map[diff.Kind]diff.Kind{
	diff.ListenerAdded: diff.ListenerRemoved, diff.ListenerTLSOn: diff.ListenerTLSOff, diff.CallsOn: diff.CallsOff, diff.SignaturesMore: diff.SignaturesLess,
	diff.ProviderAdded: diff.ProviderRemoved, diff.ModelAdded: diff.ModelRemoved, diff.ModelTargetAdded: diff.ModelTargetRemoved,
	diff.ModelAttemptsMore: diff.ModelAttemptsLess, diff.ModelPromised: diff.ModelUnpromised,
	diff.PriceRaised: diff.PriceLowered, diff.PriceKnown: diff.PriceUnknown,
	diff.UpstreamAdded: diff.UpstreamRemoved, diff.EndpointAdded: diff.EndpointRemoved,
	diff.RouteAdded: diff.RouteRemoved, diff.RouteLoosened: diff.RouteTightened,
	diff.TenantAdded: diff.TenantRemoved, diff.AppAdded: diff.AppRemoved,
	diff.LimitAdded: diff.LimitRemoved, diff.LimitRaised: diff.LimitLowered,
	diff.KeyAdded: diff.KeyRemoved, diff.KeyLonger: diff.KeyShorter,
}

// mirrored holds what is true of any two gateways: nothing changes from one to itself, what is added one way is removed
// the other way, as often, and the fingerprints of one comparison are all different.
func mirrored(t *testing.T, x, y diff.Side) {
	t.Helper()
	for _, s := range []diff.Side{x, y} {
		if list := diff.Compare(s, s); len(list) != 0 {
			t.Errorf("one gateway differs from itself:\n%s", dump(list))
		}
	}
	there, back := diff.Compare(x, y), diff.Compare(y, x)
	verify(t, x, y, there)
	verify(t, y, x, back)
	count := func(list []diff.Change, k diff.Kind) (n int) {
		for i := range list {
			if list[i].Kind == k {
				n++
			}
		}
		return n
	}
	for k, u := range undone {
		if a, b := count(there, k), count(back, u); a != b {
			t.Errorf("%d of %s there, %d of %s back:\n%s\n%s", a, k, b, u, dump(there), dump(back))
		}
		if a, b := count(there, u), count(back, k); a != b {
			t.Errorf("%d of %s there, %d of %s back:\n%s\n%s", a, u, b, k, dump(there), dump(back))
		}
	}
}

// FuzzRepositories compares two editions of a repository, each with some of the edits that the other tests make.
func FuzzRepositories(f *testing.F) {
	f.Add([]byte{1, 2, 3}, []byte{4})
	f.Add([]byte{}, []byte{70, 71, 72, 73, 74})
	f.Add([]byte{40, 41, 42, 43, 44, 45, 46}, []byte{40, 41, 60, 61})
	f.Fuzz(func(t *testing.T, one, two []byte) {
		edition := func(which []byte) (diff.Side, bool) {
			m := maps.Clone(repository)
			for _, n := range which[:min(len(which), 12)] {
				if i := int(n) % (len(edits) + len(whole)); i < len(edits) {
					e := edits[i]
					m[e.file] = strings.Replace(m[e.file], e.from, e.to, 1)
				} else {
					whole[i-len(edits)].edit(m)
				}
			}
			fsys := fstest.MapFS{}
			for name, text := range m {
				fsys[name] = &fstest.MapFile{Data: []byte(text)}
			}
			s, problem := tryBuild(t, fsys)
			return s, problem == ""
		}
		x, ok := edition(one)
		if !ok {
			return // edits that do not go together
		}
		y, ok := edition(two)
		if !ok {
			return
		}
		mirrored(t, x, y)
	})
}

// FuzzArtifacts compares artifacts of which fields were changed by themselves, also such as no compiler writes.
func FuzzArtifacts(f *testing.F) {
	f.Add([]byte{0}, []byte{1, 2})
	f.Add([]byte{30, 31, 32, 33}, []byte{34, 35, 36, 70})
	f.Fuzz(func(t *testing.T, one, two []byte) {
		base := everything(t)
		list := mutations(t, reflect.ValueOf(*base), "", func(a reflect.Value) reflect.Value { return a })
		// Prices whose rates are no rates have the version of others.
		list = slices.DeleteFunc(list, func(m mutation) bool { return strings.HasPrefix(m.path, "Prices") })
		edition := func(which []byte) diff.Side {
			done := map[int]bool{}
			x := clone(reflect.ValueOf(*base))
			for _, n := range which {
				i := int(n) % len(list)
				if !done[i] && !slices.ContainsFunc(which, func(m byte) bool {
					// A list that loses its only element has no first one to change.
					other := list[int(m)%len(list)]
					return int(m)%len(list) != i && (other.what == "one less" || other.what == "nothing") && strings.HasPrefix(list[i].path, other.path)
				}) {
					done[i] = true
					list[i].do(x)
				}
			}
			a := x.Addr().Interface().(*artifact.Artifact)
			table(t, a)
			return diff.Side{Artifact: a}
		}
		mirrored(t, edition(one), edition(two))
	})
}
