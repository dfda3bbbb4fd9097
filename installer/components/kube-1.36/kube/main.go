// Kube is the six programs of Kubernetes in one executable, which goes by the name it is called with.
// Everything is upstream's own, unpatched; linked once, the shared 85 % of the six exist once on disk and in memory.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubeadm "k8s.io/kubernetes/cmd/kubeadm/app"
	kubeadmerrors "k8s.io/kubernetes/cmd/kubeadm/app/util/errors"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	// As upstream's mains import them: JSON logging, and metrics of client-go and of the version.
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
)

// programs makes each program's root command. It is a function for each, since making one already registers flags and metrics.
var programs = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllermanager.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	// The kubelet makes its own signal context; one given from here closes its stop channel twice.
	"kubelet": func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	"kubectl": kubectl.NewDefaultKubectlCommand,
}

func main() {
	name := filepath.Base(os.Args[0])
	if name == "kubeadm" {
		// kubeadm's root command prints no errors: its Run does, with its own exit codes.
		kubeadmerrors.HandleError(kubeadm.Run())
		return
	}
	command, known := programs[name]
	if !known {
		fmt.Fprintf(os.Stderr, "kube: %q is no program of mine: call it as kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, kubeadm or kubectl\n", name)
		os.Exit(2)
	}
	os.Exit(cli.Run(command()))
}
