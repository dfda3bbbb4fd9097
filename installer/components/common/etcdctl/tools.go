//go:build tools

package components

import (
	_ "go.etcd.io/etcd/etcdctl/v3"
)
