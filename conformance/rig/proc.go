package rig

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tree is a process and all below it.
func tree(pid int) []int {
	list := []int{pid}
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, t := range tasks {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
		for field := range strings.FieldsSeq(string(b)) {
			if child, err := strconv.Atoi(field); err == nil {
				list = append(list, tree(child)...)
			}
		}
	}
	return list
}

// CPU is the time that a process and its children have spent on CPUs, from the scheduler's own nanosecond counts:
// utime and stime have ticks of 10 ms.
func CPU(pid int) time.Duration {
	var sum int64
	for _, p := range tree(pid) {
		tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", p))
		for _, t := range tasks {
			b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", p, t.Name()))
			if f := strings.Fields(string(b)); len(f) > 0 {
				ns, _ := strconv.ParseInt(f[0], 10, 64)
				sum += ns
			}
		}
	}
	return time.Duration(sum)
}

// Memory is the resident memory of a process and its children in bytes: all of it, and the anonymous part, which is
// what connections and requests cost.
func Memory(pid int) (rss, anonymous int64) {
	for _, p := range tree(pid) {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p))
		for line := range strings.SplitSeq(string(b), "\n") {
			f := strings.Fields(line)
			if len(f) < 2 {
				continue
			}
			kb, _ := strconv.ParseInt(f[1], 10, 64)
			switch f[0] {
			case "VmRSS:":
				rss += kb << 10
			case "RssAnon:":
				anonymous += kb << 10
			}
		}
	}
	return rss, anonymous
}

// Descriptors is the number of open files of a process.
func Descriptors(pid int) int {
	list, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(list)
}
