import { describe, expect, it } from 'vitest';
import { decode, decodeLayers, DEFAULTS, defaultSetup, encode, read, type Setup } from '../src/lib/config';
import { encodeLayers } from '../src/lib/layers';
import { costs, fault, PRESETS, shape, totals, trainingBytes } from '../src/lib/network';
import { href, parse } from '../src/lib/route';

describe('the address', () => {
  it('is empty for the defaults', () => {
    expect(encode(defaultSetup())).toBe('');
    expect(decode('')).toEqual(defaultSetup());
  });

  it('brings every setting back', () => {
    const setup: Setup = {
      source: 'fashion',
      layers: [{ type: 'conv', channels: 8, kernel: 5, stride: 2, padding: 1 }, { type: 'gelu' }, { type: 'batchnorm' }, { type: 'avgpool', kernel: 3, stride: 1 }, { type: 'dropout', p: 0.25 }, { type: 'flatten' }, { type: 'linear', units: 10 }],
      config: { optimizer: 'muon', lr: 0.0123, endFactor: 0.003, schedule: 'onecycle', batch: 256, epochs: 3, seed: 77, weightDecay: 5e-4, momentum: 0.95, labelSmoothing: 0.1, valFraction: 0.2, warmup: 0.05, ema: 0.998, rotate: 12, scale: 0.2, shift: 0.05, nearest: true },
    };
    expect(decode(encode(setup))).toEqual(setup);
    expect(decode(parse(href('draw', encode(setup))).query)).toEqual(setup);
  });

  it('brings every preset back', () => {
    for (const preset of PRESETS) {
      expect(fault(preset.layers)).toBe('');
      expect(decodeLayers(encodeLayers(preset.layers))).toEqual(preset.layers);
    }
  });

  it.each(['net=128-relu', 'net=relu', 'net=128-banana-10', 'net=-', 'net=0-10', 'opt=sgdx', 'data=http://x', 'lr=abc', 'b=', 'e=NaN', 'wd=Infinity', '%%%', 'net=drop0.5', 'net=c8k5-10', 'net=c8k29-flat-10', 'net=c8-flat-10', 'net=max-flat-10', 'net=flat-c8k3-10', 'net=c0k3-flat-10', 'net=c8k3s0-flat-10'])('keeps the default for %s', (query) => {
    expect(decode(query)).toEqual(defaultSetup());
  });

  it('reads what addresses said before there were convolutions', () => {
    const { layers, config } = decode('net=128-relu-drop0.2-64-silu-10&opt=adamw&aug=1');
    expect(layers).toEqual([{ type: 'linear', units: 128 }, { type: 'relu' }, { type: 'dropout', p: 0.2 }, { type: 'linear', units: 64 }, { type: 'silu' }, { type: 'linear', units: 10 }]);
    expect(config).toMatchObject({ optimizer: 'adamw', rotate: 7, scale: 0.07, shift: 0.04, nearest: false });
    expect(decode('aug=1&rot=20').config.rotate).toBe(20);
  });

  it('says what it could not use', () => {
    expect(read('net=99999999&opt=zzz&lr=-4&e=1e9')).toEqual({ setup: defaultSetup(), ignored: ['net=99999999', 'opt=zzz', 'lr=-4', 'e=1e9'] });
    expect(read('lr=1000&b=0&e=2.6&m=5&v=0.4')).toMatchObject({ setup: { config: { lr: DEFAULTS.lr, batch: DEFAULTS.batch, epochs: 3, momentum: DEFAULTS.momentum, valFraction: 0.4 } }, ignored: ['lr=1000', 'b=0', 'm=5'] });
    expect(read('lr=0.1&opt=adam&more=1').ignored).toEqual([]);
  });

  it('reads the lowest rate of older addresses as a share', () => {
    expect(decode('lr=0.5&lr0=0.05').config.endFactor).toBe(0.1);
    expect(decode('opt=adam&lr=0.001&lr0=0.001').config.endFactor).toBe(1);
    expect(read('lr=0.001&lr0=0.01')).toMatchObject({ setup: { config: { endFactor: DEFAULTS.endFactor } }, ignored: ['lr0=0.01'] });
  });

  it('limits sizes that would exhaust a device', () => {
    expect(decodeLayers('999999-relu-10')?.[0]).toEqual({ type: 'linear', units: 4096 });
    expect(decodeLayers(`${'8-'.repeat(40)}10`)).toBeUndefined();
  });
});

describe('routes', () => {
  it('falls back to the first view', () => {
    expect(parse('')).toEqual({ view: 'train', query: '' });
    expect(parse('#/nowhere?x=1')).toEqual({ view: 'train', query: 'x=1' });
    expect(parse('#/inside')).toEqual({ view: 'inside', query: '' });
  });
});

describe('costs', () => {
  it('counts the parameters of the presets', () => {
    const [mlp, mlp2] = PRESETS;
    expect(totals(costs(mlp?.layers ?? [])).params).toBe(101_770);
    expect(totals(costs(mlp2?.layers ?? [])).params).toBe(109_386);
    expect(costs(mlp?.layers ?? [])[1]).toEqual({ in: 128, out: 128, shape: [128], params: 0, bytes: 0, flops: 0 });
    expect(shape(mlp2?.layers ?? [])).toBe('784‑128‑64‑10');
  });

  it('charges Adam for its two states', () => {
    const layers = [{ type: 'linear', units: 10 }] as const;
    const cost = (optimizer: 'adam' | 'sgd', ema = 0) => trainingBytes(layers, { optimizer, batch: 32, ema });
    expect(cost('adam') - cost('sgd')).toBe(2 * 4 * 7850);
    expect(cost('sgd', 0.99) - cost('sgd')).toBe(4 * 7850);
  });

  it('says what is wrong with a network', () => {
    expect(fault([])).toContain('empty');
    expect(fault([{ type: 'linear', units: 12 }])).toContain('10 units');
    expect(fault([{ type: 'linear', units: 1.5 }, { type: 'linear', units: 10 }])).toContain('Linear 1');
    expect(fault([{ type: 'dropout', p: 1 }, { type: 'linear', units: 10 }])).toContain('dropout');
  });
});
