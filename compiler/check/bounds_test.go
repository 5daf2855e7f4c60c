package check

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gwc-dev/gwc/compiler/load"
)

// large is a unit that takes some seconds to evaluate, and ends.
const large = `package gateway

import "list"

gateway: listeners: main: address: "127.0.0.1:8080"
_x: {
	for i in list.Range(0, 300, 1) for j in list.Range(0, 300, 1) {"\(i)-\(j)": {a: i, b: j}}
}
`

func TestAnEvaluationBeyondItsBoundsIsLeftBehind(t *testing.T) {
	for name, bounds := range map[string]func(*guard){
		"time":   func(g *guard) { g.maxTime = time.Millisecond },
		"memory": func(g *guard) { g.maxMemory = 1 << 20 },
	} {
		t.Run(name, func(t *testing.T) {
			src, report, err := load.Load(fstest.MapFS{"gateway.cue": {Data: []byte(large)}})
			if err != nil || report.Failed() {
				t.Fatal(err, report.All())
			}
			g := newGuard()
			bounds(g)
			cfg, report, count, err := guarded(context.Background(), src, nil, g)
			if err != nil || cfg != nil || !count.Runaway {
				t.Fatalf("%v, %v, %+v", err, cfg, count)
			}
			list := report.All()
			if len(list) != 1 || list[0].Code != codeRunaway || list[0].Primary.Span.Start.Line != 7 || !strings.Contains(list[0].Summary, "the platform's files") {
				t.Fatalf("%+v", list)
			}
		})
	}
}

func TestACheckEndsWithItsContext(t *testing.T) {
	src, _, err := load.Load(fstest.MapFS{"gateway.cue": {Data: []byte("package gateway\n")}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, _, err := Kept(ctx, src, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
}
