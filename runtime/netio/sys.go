//go:build linux

package netio

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The sockets are non-blocking, so that a read or write is short and the scheduler need not hear of it: RawSyscall
// saves its bookkeeping on every event. All three deal with EINTR; n is 0 whenever errno is not.

func sysRead(fd int, b []byte) (n int, errno syscall.Errno) {
	for {
		r, _, e := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		if e == 0 {
			return int(r), 0
		}
		if e != syscall.EINTR {
			return 0, e
		}
	}
}

func sysWrite(fd int, b []byte) (n int, errno syscall.Errno) {
	for {
		r, _, e := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		if e == 0 {
			return int(r), 0
		}
		if e != syscall.EINTR {
			return 0, e
		}
	}
}

// sysDiscard takes up to n bytes out of a TCP socket's receive queue without copying them (MSG_TRUNC, tcp(7)).
func sysDiscard(fd, n int) (int, syscall.Errno) {
	for {
		r, _, e := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(fd), 0, uintptr(n), syscall.MSG_TRUNC, 0, 0)
		if e == 0 {
			return int(r), 0
		}
		if e != syscall.EINTR {
			return 0, e
		}
	}
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	return netip.AddrPort{}
}

// sysHungUp reports whether the peer has closed or reset a connection, or this side has shut it down.
func sysHungUp(fd int) bool {
	p := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	for {
		switch n, err := unix.Poll(p[:], 0); {
		case err == unix.EINTR:
		case err != nil:
			return true // nothing good can be said of it
		default:
			return n > 0
		}
	}
}

// sysUntaken is how many bytes of a socket's output its peer has not acknowledged (SIOCOUTQ, tcp(7)); 0 where nobody says.
func sysUntaken(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}

// sysReset makes TCP send an RST now: connect(2) to AF_UNSPEC dissolves the association. The peer of an aborted
// connection so sees an error at once, and not an end that looks complete, even while the descriptor has to stay open.
func sysReset(fd int) {
	sa := syscall.RawSockaddr{Family: syscall.AF_UNSPEC}
	_, _, _ = syscall.RawSyscall(syscall.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&sa)), unsafe.Sizeof(sa))
}
