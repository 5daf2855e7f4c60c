//go:build linux

package netio

import (
	"bytes"
	"testing"
)

// FuzzQueue plays a script of adds and skips against a plain slice.
func FuzzQueue(f *testing.F) {
	f.Add([]byte{1, 2, 200, 130, 255, 0, 17})
	f.Add([]byte{255, 255, 255, 128, 255, 255, 127, 127, 1})
	src := random(256 * 300)
	f.Fuzz(func(t *testing.T, script []byte) {
		var q queue
		var want []byte
		for i, op := range script {
			if op < 128 || q.n == 0 {
				b := src[i%100 : i%100+int(op)*300]
				q.add(b)
				want = append(want, b...)
			} else {
				b := q.peek()
				if len(b) == 0 || !bytes.HasPrefix(want, b) {
					t.Fatalf("peek returned %d bytes that are not next", len(b))
				}
				n := min(len(b), int(op-127)*300)
				q.skip(n)
				want = want[n:]
			}
			if q.n != len(want) {
				t.Fatalf("n is %d, want %d", q.n, len(want))
			}
		}
		for q.n > 0 {
			b := q.peek()
			if !bytes.HasPrefix(want, b) {
				t.Fatal("bytes differ")
			}
			want = want[len(b):]
			q.skip(len(b))
		}
		if q.first != nil || q.last != nil || len(want) != 0 {
			t.Fatal("an empty queue holds segments, or misses bytes")
		}
	})
}
