import type * as X509 from '@peculiar/x509';
import { x509 } from './crypto.ts';

const SEQUENCE = 0x30;
/**
 * permittedSubtrees, excludedSubtrees (RFC 5280, 4.2.1.10); rfc822Name, dNSName, uniformResourceIdentifier, iPAddress
 * (4.2.1.6).
 */
const PERMITTED = 0xa0;
const EXCLUDED = 0xa1;
const MAIL = 0x81;
const DNS_NAME = 0x82;
const URI = 0x86;
const IP_ADDRESS = 0x87;

function tlv(tag: number, content: Buffer): Buffer {
  const { length } = content;
  return Buffer.concat([Buffer.from([tag, ...lengthOctets(length)]), content]);
}

/** A length in DER (X.690, 8.1.3), of 65,535 at most. */
function lengthOctets(length: number): number[] {
  if (length < 128) {
    return [length];
  }
  return length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
}

/**
 * Extension nameConstraints, critical: of DNS names an authority may sign for `dnsName` and those below it alone.
 * @param addresses false: for no IP address either
 * @param uriHost of URIs, for those of this host alone, and for no mail address but those of `dnsName`; where it is not
 *   given, none of both is held back
 */
export async function nameConstraints(
  dnsName: string,
  { addresses, uriHost }: { addresses: boolean; uriHost?: string | undefined },
): Promise<X509.Extension> {
  const { Extension } = await x509();
  const subtree = (tag: number, value: Buffer): Buffer => tlv(SEQUENCE, tlv(tag, value));
  const name = (tag: number, text: string): Buffer => subtree(tag, Buffer.from(text, 'latin1'));
  const permitted = tlv(
    PERMITTED,
    Buffer.concat([
      name(DNS_NAME, dnsName),
      ...(uriHost === undefined ? [] : [name(URI, uriHost), name(MAIL, dnsName)]),
    ]),
  );
  // An address and its mask, both zero: all of IPv4, all of IPv6.
  const excluded = addresses
    ? Buffer.alloc(0)
    : tlv(EXCLUDED, Buffer.concat([subtree(IP_ADDRESS, Buffer.alloc(8)), subtree(IP_ADDRESS, Buffer.alloc(32))]));
  return new Extension('2.5.29.30', true, tlv(SEQUENCE, Buffer.concat([permitted, excluded])));
}
