import { TERRARIUM } from '../../e2e/support/terrarium.ts';

const given = process.env['TERRARIUM_COMMAND'];

/**
 * How a measurement calls terrarium: the executable that was built, or what TERRARIUM_COMMAND says, its words separated
 * by spaces.
 */
export const COMMAND = given?.split(' ') ?? [TERRARIUM];

/** For the page, where it is not the executable; begins with a space. */
export const REMARK = given === undefined ? '' : ' Terrarium ran from its sources, by the same Node.';
