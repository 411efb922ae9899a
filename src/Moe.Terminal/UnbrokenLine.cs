using Spectre.Console.Rendering;

namespace Moe.Terminal;

/// <summary>A line that is never wrapped.</summary>
internal sealed class UnbrokenLine(string text) : Renderable
{
    protected override IEnumerable<Segment> Render(RenderOptions options, int maxWidth) => [new Segment(text), Segment.LineBreak];
}
