// The one label that follows the pointer over maps and charts.

class Tip {
  text = $state('');
  x = $state(0);
  y = $state(0);

  show(event: { clientX: number; clientY: number }, text: string): void {
    this.text = text;
    this.x = event.clientX;
    this.y = event.clientY;
  }

  hide(): void {
    this.text = '';
  }
}

export const tip = new Tip();
