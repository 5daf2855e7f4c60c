//go:build linux

// This file is empty. It lets the compiler accept openPoll, which has no body: see poll.go.
