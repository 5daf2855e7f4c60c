//go:build linux

// Package epoll is the thinnest possible event loop: non-blocking sockets of 127.0.0.1 and level-triggered epoll, by
// raw system calls on one thread.
//
// The bench's load generator and upstream stand on it, so that they cost as little as Go can cost and never hide the
// proxy's time behind the scheduler's. Raw system calls do not tell the runtime that a thread may block, which is
// right for calls that never block; only Wait blocks, and it tells. net.Conn was refused: its goroutine hand-overs
// cost more than the proxies that are measured.
package epoll

import (
	"fmt"
	"syscall"
	"time"
	"unsafe"
)

// Interest and readiness, as in epoll_ctl(2).
const (
	In    = 0x1
	Out   = 0x4
	Hup   = 0x10
	RdHup = 0x2000
)

// Event is the kernel's struct epoll_event, in the layout that package syscall has for this architecture.
type Event = syscall.EpollEvent

// Poll is an epoll instance with its event buffer. It belongs to one goroutine.
type Poll struct {
	fd     int
	events [1024]Event
}

// New makes an epoll instance.
func New() (*Poll, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	return &Poll{fd: fd}, nil
}

// Add watches fd; closing fd ends that.
func (p *Poll) Add(fd int, events uint32) { p.control(syscall.EPOLL_CTL_ADD, fd, events) }

// Modify changes what fd is watched for.
func (p *Poll) Modify(fd int, events uint32) { p.control(syscall.EPOLL_CTL_MOD, fd, events) }

func (p *Poll) control(op, fd int, events uint32) {
	e := Event{Events: events, Fd: int32(fd)}
	syscall.RawSyscall6(syscall.SYS_EPOLL_CTL, uintptr(p.fd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&e)), 0, 0)
}

// sysEpollPwait2 has the same number on every architecture.
const sysEpollPwait2 = 441

// Wait blocks for at most d, with the resolution of nanoseconds that epoll_pwait2 has (open-loop load needs it), and
// returns what is ready. The slice is valid until the next call.
func (p *Poll) Wait(d time.Duration) []Event {
	ts := syscall.NsecToTimespec(int64(max(d, 0)))
	n, _, e := syscall.Syscall6(sysEpollPwait2, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), uintptr(unsafe.Pointer(&ts)), 0, 0)
	if e != 0 {
		return nil
	}
	return p.events[:n]
}

// Read reads without blocking. n is 0 at the end of the stream; ok is false when there is nothing to read now.
func Read(fd int, b []byte) (n int, ok bool) {
	r, _, e := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	switch e {
	case 0:
		return int(r), true
	case syscall.EAGAIN, syscall.EINTR:
		return 0, false
	}
	return 0, true
}

// Write writes without blocking and returns how much was taken; -1 when the connection is gone.
func Write(fd int, b []byte) int {
	if len(b) == 0 {
		return 0
	}
	r, _, e := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	switch e {
	case 0:
		return int(r)
	case syscall.EAGAIN, syscall.EINTR:
		return 0
	}
	return -1
}

// Listen listens on a port of 127.0.0.1.
func Listen(port int) (int, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return -1, fmt.Errorf("bind to port %d: %w", port, err)
	}
	if err := syscall.Listen(fd, 4096); err != nil {
		return -1, fmt.Errorf("listen: %w", err)
	}
	return fd, nil
}

// Accept takes the next connection, or returns -1 when none waits.
func Accept(listener int) int {
	fd, _, err := syscall.Accept4(listener, syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
	if err != nil {
		return -1
	}
	syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	return fd
}

// Dial connects to a port of 127.0.0.1. It blocks until the connection stands; the socket then does not block.
func Dial(port int) (int, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		syscall.Close(fd)
		return -1, fmt.Errorf("connect to port %d: %w", port, err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		syscall.Close(fd)
		return -1, err
	}
	syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	return fd, nil
}

// Close closes a socket.
func Close(fd int) { syscall.Close(fd) }
