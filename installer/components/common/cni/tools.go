//go:build tools

package components

import (
	_ "github.com/containernetworking/plugins/plugins/main/loopback"
)
