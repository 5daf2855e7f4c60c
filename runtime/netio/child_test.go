package netio

func childMain() bool { return false }
