locals {
  # One connection has two tunnels, each to another zone of AWS.
  vpn = var.customer_gateway_ip == null ? {} : { site = { ip_address = var.customer_gateway_ip } }
}

resource "aws_customer_gateway" "this" {
  for_each = local.vpn

  type       = "ipsec.1"
  ip_address = each.value.ip_address
  # A private number: the routes are static, so nothing is said over BGP.
  bgp_asn = 65000

  tags = { Name = "${local.prefix}-${each.key}" }
}

resource "aws_vpn_gateway" "this" {
  for_each = local.vpn

  vpc_id = aws_vpc.this.id

  tags = { Name = "${local.prefix}-${each.key}" }
}

# AWS makes up the pre-shared keys; they are in Terraform's state, which is why that is encrypted and closed.
resource "aws_vpn_connection" "this" {
  for_each = local.vpn

  type                = "ipsec.1"
  customer_gateway_id = aws_customer_gateway.this[each.key].id
  vpn_gateway_id      = aws_vpn_gateway.this[each.key].id
  static_routes_only  = true

  tags = { Name = "${local.prefix}-${each.key}" }
}

resource "aws_vpn_connection_route" "onprem" {
  for_each = length(local.vpn) == 0 ? [] : toset(var.onprem_cidrs)

  vpn_connection_id      = aws_vpn_connection.this["site"].id
  destination_cidr_block = each.value
}

resource "aws_vpn_gateway_route_propagation" "private" {
  for_each = local.vpn

  vpn_gateway_id = aws_vpn_gateway.this[each.key].id
  route_table_id = aws_route_table.private.id
}
