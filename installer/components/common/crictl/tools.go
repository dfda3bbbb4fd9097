//go:build tools

package components

import (
	_ "sigs.k8s.io/cri-tools/cmd/crictl"
)
