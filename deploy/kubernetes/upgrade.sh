#!/bin/sh
# Brings a cluster to what an overlay says: first the schema, then all that uses it.
#   deploy/kubernetes/upgrade.sh deploy/kubernetes/overlays/production
# A migration that fails stops it, and what runs goes on as it was.
set -eu
overlay=${1:?give the folder of an overlay}
kubectl -n btcql delete job migrate --ignore-not-found --wait
# The namespace, settings, accounts and policies that the job needs come with it; the workloads do not.
kubectl apply -k "$overlay" --selector 'app.kubernetes.io/component notin (api, luigid, schedule, backfill)'
until kubectl -n btcql wait --for=condition=complete --timeout=10s job/migrate 2>/dev/null; do
    if kubectl -n btcql wait --for=condition=failed --timeout=1s job/migrate 2>/dev/null; then
        kubectl -n btcql logs job/migrate
        exit 1
    fi
    # An image that cannot be pulled, or a node that has no room, is no failure of the Job's: for an hour it waits.
    kubectl -n btcql get pods --selector app.kubernetes.io/component=migrate --no-headers
done
kubectl apply -k "$overlay"
kubectl -n btcql rollout status --timeout=10m deployment/api
