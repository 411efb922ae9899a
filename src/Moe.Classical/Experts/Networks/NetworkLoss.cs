using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>How far raw outputs of a network are from responses, and what they mean.</summary>
internal static class NetworkLoss
{
    /// <summary>Σ wᵢ lossᵢ: squared error, Poisson or binomial negative log-likelihood of a log or logit, cross-entropy of logits, without constants.</summary>
    /// <param name="outputs">[m, Dout], with gradients.</param>
    /// <param name="response">m entries; real ones are standardised already.</param>
    /// <param name="weights">[m].</param>
    public static Tensor Sum(Tensor outputs, Response response, Tensor weights)
    {
        if (response.Kind == ResponseKind.Class)
        {
            var places = response.Values.to(ScalarType.Int64).unsqueeze(1);
            return outputs.log_softmax(1).gather(1, places).squeeze(1).mul(weights).sum().neg();
        }
        var eta = outputs.squeeze(1);
        var values = response.Values;
        var losses = response.Kind switch
        {
            ResponseKind.Real => eta.sub(values).mul(eta.sub(values)),
            ResponseKind.Count => eta.exp().sub(eta.mul(values)),

            // log(1 + exp η) by way of two logits, of which one is 0.
            _ => stack([zeros_like(eta), eta], 1).logsumexp(1).mul(response.Trials!).sub(eta.mul(values)),
        };
        return losses.mul(weights).sum();
    }

    /// <summary>Means or probabilities, in place.</summary>
    public static void Respond(Span<double> outputs, int width, ResponseKind kind, NetworkScales scales)
    {
        for (var start = 0; start < outputs.Length; start += width)
        {
            var row = outputs.Slice(start, width);
            switch (kind)
            {
                case ResponseKind.Real:
                    row[0] = scales.ResponseMean + (scales.ResponseScale * row[0]);
                    break;
                case ResponseKind.Count:
                    row[0] = Math.Exp(Math.Min(row[0], 700));
                    break;
                case ResponseKind.Trials:
                    row[0] = 1 / (1 + Math.Exp(-row[0]));
                    break;
                default:
                    var most = double.NegativeInfinity;
                    foreach (var logit in row)
                        most = Math.Max(most, logit);
                    var sum = 0.0;
                    foreach (ref var logit in row)
                        sum += logit = Math.Exp(logit - most);
                    foreach (ref var logit in row)
                        logit /= sum;
                    break;
            }
        }
    }
}
