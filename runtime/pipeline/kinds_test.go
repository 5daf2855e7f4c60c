package pipeline

import (
	"testing"

	"github.com/gwc-dev/gwc/schema/artifact"
)

func TestEveryKindOfProviderIsServed(t *testing.T) {
	for _, name := range artifact.ProviderKinds() {
		k := kinds[name]
		if k == nil {
			t.Errorf("%s: artifacts may name it, and nothing serves it", name)
			continue
		}
		for id := range spokenDialects {
			if s := &spokenDialects[id]; s.op == chat && k.serves(s) == nil {
				t.Errorf("%s: no answer for callers of dialect %d", name, id)
			}
		}
	}
	if len(kinds) != len(artifact.ProviderKinds()) {
		t.Errorf("%d kinds are served, artifacts may name %d", len(kinds), len(artifact.ProviderKinds()))
	}
}
