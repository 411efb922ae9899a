using System.Text.Json;
using System.Text.Json.Serialization;
using Moe.Core;

namespace Moe.Training;

/// <summary>Writes a routing report as its four facts; everything else in it follows from them.</summary>
internal sealed class RoutingReportConverter : JsonConverter<RoutingReport>
{
    public override RoutingReport Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        var facts = JsonSerializer.Deserialize<Facts>(ref reader, options) ?? throw new JsonException("A routing report is null.");
        return RoutingReport.FromCounts(facts.Load, facts.Assigned, facts.Tokens, facts.TopK);
    }

    public override void Write(Utf8JsonWriter writer, RoutingReport value, JsonSerializerOptions options) =>
        JsonSerializer.Serialize(writer, new Facts([.. value.Load], [.. value.Assigned], value.Tokens, value.TopK), options);

    private sealed record Facts(long[] Load, long[] Assigned, long Tokens, int TopK);
}
