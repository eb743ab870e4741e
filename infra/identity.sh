# shellcheck shell=bash
# How pods come by their roles: what the cluster has for it, and what it still needs. Sourced, never run.

# Whether IAM knows the cluster's OIDC provider (IRSA); sets has_oidc_provider.
find_oidc_provider() {
  local found
  has_oidc_provider=false
  [ -n "$issuer" ] || return 0
  found=$(unless_absent NoSuchEntity aws iam get-open-id-connect-provider --query Url --output text \
    --open-id-connect-provider-arn "arn:$partition:iam::$account:oidc-provider/$issuer") || return 1
  if [ -n "$found" ]; then has_oidc_provider=true; fi
}

# Whether the nodes run the agent of EKS Pod Identity, as those of Auto Mode do by themselves; sets has_identity_agent.
find_identity_agent() {
  local found
  has_identity_agent=true
  [ "$auto_mode" != True ] || return 0
  found=$(unless_absent ResourceNotFoundException aws eks describe-addon --region "$region" --cluster-name "$cluster" \
    --addon-name eks-pod-identity-agent --query addon.status --output text) || return 1
  if [ -z "$found" ]; then has_identity_agent=false; fi
}

# Irsa where IAM knows the cluster's OIDC provider; else what the nodes can do; else irsa, with a provider to be made.
# Only what decides is asked.
choose_identity() {
  has_oidc_provider=false has_identity_agent=false
  if [ "$identity" != pod-identity ] && ! find_oidc_provider; then
    lacks 'the right to see OIDC providers (iam:GetOpenIDConnectProvider).'
  fi
  if [ "$identity" != irsa ] && ! $has_oidc_provider && ! find_identity_agent; then
    lacks 'the right to see add-ons of the cluster (eks:DescribeAddon).'
  fi
  [ "$identity" = auto ] || return 0
  identity=irsa
  if ! $has_oidc_provider && $has_identity_agent; then identity=pod-identity; fi
}

# What IRSA needs is an OIDC provider in IAM; what Pod Identity needs is an agent on the nodes.
provide_identity() {
  step "Identity of the pods ($identity)"
  oidc_provider=''
  if [ "$identity" = irsa ]; then
    oidc_provider=$issuer
    if $has_oidc_provider; then
      printf 'The cluster has an OIDC provider.\n'
    elif has eksctl; then
      run eksctl utils associate-iam-oidc-provider --region "$region" --cluster "$cluster" --approve
    else
      run aws iam create-open-id-connect-provider --url "https://$issuer" --client-id-list sts.amazonaws.com
    fi
  elif $has_identity_agent; then
    printf 'The cluster has the Pod Identity agent.\n'
  else
    run aws eks create-addon --region "$region" --cluster-name "$cluster" --addon-name eks-pod-identity-agent
    run aws eks wait addon-active --region "$region" --cluster-name "$cluster" --addon-name eks-pod-identity-agent
  fi
}
