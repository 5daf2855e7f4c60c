package netio

import (
	"context"
	"io"
	"net"
	"testing"
	"time"
)

type echo struct {
	c      *Conn
	closed chan error
}

func (e *echo) Data(b []byte)    { _ = e.c.Write(b) }
func (e *echo) Drained()         {}
func (e *echo) Timeout()         {}
func (e *echo) Closed(err error) { e.closed <- err }

func TestSmoke(t *testing.T) {
	l, err := New(Options{Logf: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	ln, err := l.Listen("127.0.0.1:0", ListenOptions{Accept: func(c *Conn) Handler { return &echo{c, closed} }})
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(5 * time.Second))
	c.Write([]byte("hello"))
	b := make([]byte, 5)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
		t.Fatal(string(b), err)
	}
	c.Close()
	if err := <-closed; err != io.EOF {
		t.Fatal(err)
	}
	if err := l.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}
